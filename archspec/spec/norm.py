"""Normalisation of a vector."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field

from archspec.spec.base import Strict, true_is_default

COMMON_TYPE, COMMON_EPS = "rmsnorm", 1e-6
"""What holds where neither a norm nor the model's `norm` says."""


class Norm(Strict):
    """A normalisation; what is left out is taken from the model's `norm`.

    What that leaves out as well is common: `rmsnorm`, `eps` 1e-6, a plain weight.

    RMSNorm (arXiv 1910.07467): x / sqrt(mean(x²) + eps) · w. LayerNorm (arXiv 1607.06450):
    (x − mean) / sqrt(var + eps) · w + b. L2: x / sqrt(Σx² + eps) · w.
    """

    type: Literal["rmsnorm", "layernorm", "l2norm"] | None = Field(
        default=None, description=f"`{COMMON_TYPE}` where the model's `norm` says nothing."
    )
    eps: float | None = Field(
        default=None,
        gt=0,
        lt=1,
        description=f"Added before the root; {COMMON_EPS:g} where the model's `norm` says nothing.",
    )
    weight: bool | None = Field(
        default=None,
        description="There is a learned scale: true where the model's `norm` says nothing.",
    )
    zero_centered: bool | None = Field(
        default=None,
        description="The stored weight is the distance from one, and 1 + w the scale: false where "
        "the model's `norm` says nothing.",
    )
    bias: bool | None = Field(
        default=None, description="LayerNorm's bias: true where the model's `norm` says nothing."
    )

    def over(self, default: Norm) -> Self:
        """This norm with its gaps filled from `default`, or from the common values."""
        kind = self.type or default.type or COMMON_TYPE
        base = default if default.type in (None, kind) else Norm()

        def pick(own: Any, inherited: Any, common: Any) -> Any:
            return own if own is not None else inherited if inherited is not None else common

        weight = pick(self.weight, base.weight, True)
        filled = {
            "type": kind,
            "eps": pick(self.eps, default.eps, COMMON_EPS),
            "weight": weight,
            "zero_centered": weight and pick(self.zero_centered, base.zero_centered, False),
            "bias": weight and kind == "layernorm" and pick(self.bias, base.bias, True),
        }
        return self.model_copy(update=filled)

    def caption(self) -> str:
        """The name as drawn: `RMSNorm`."""
        return {"rmsnorm": "RMSNorm", "layernorm": "LayerNorm"}.get(self.type or "", "L2 norm")


class HeadNorm(Norm):
    """A norm of queries and keys."""

    scope: Literal["head", "width", "each_head"] = Field(
        default="head",
        description="`head`: over each head, one weight for all; `each_head`: over each head, a "
        "weight for each; `width`: over all heads together.",
    )
    after_rope: bool = Field(default=False, description="It comes after the rotation.")


OptionalNorm = Annotated[
    Norm | None,
    BeforeValidator(true_is_default, json_schema_input_type=bool | Norm | None),
]
"""A norm, `true` for the model's own norm, or `false` for none."""

OptionalHeadNorm = Annotated[
    HeadNorm | None,
    BeforeValidator(true_is_default, json_schema_input_type=bool | HeadNorm | None),
]
"""The same for queries and keys."""


def complete_norms(value: Any, default: Norm) -> Any:
    """`value` (a spec model) with every norm inside it completed from `default`."""
    if isinstance(value, Norm):
        return value.over(default)
    if isinstance(value, Strict):
        changes: dict[str, Any] = {}
        for name in type(value).model_fields:
            before = getattr(value, name)
            after = complete_norms(before, default)
            if after is not before:
                changes[name] = after
        return value.model_copy(update=changes) if changes else value
    return value
