"""Normalisation of a vector."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from archspec.spec.base import Strict


class Norm(Strict):
    """A normalisation; what is left out is taken from the model's `norm`.

    RMSNorm (arXiv 1910.07467): x / sqrt(mean(x²) + eps) · w. LayerNorm (arXiv 1607.06450):
    (x − mean) / sqrt(var + eps) · w + b.
    """

    type: Literal["rmsnorm", "layernorm"] | None = Field(
        default=None, description="`rmsnorm` or `layernorm`."
    )
    eps: float | None = Field(
        default=None, gt=0, lt=1, description="Added to the variance before the root."
    )
    zero_centered: bool | None = Field(
        default=None, description="The stored weight is the distance from one: scale by 1 + w."
    )
    bias: bool | None = Field(
        default=None, description="LayerNorm's bias; true unless said otherwise."
    )

    def over(self, default: Norm) -> Norm:
        """This norm with its gaps filled from `default`, or from the common values."""
        kind = self.type or default.type or "rmsnorm"
        base = default if default.type in (None, kind) else Norm()

        def pick(own: Any, inherited: Any, common: Any) -> Any:
            return own if own is not None else inherited if inherited is not None else common

        return Norm(
            type=kind,
            eps=pick(self.eps, default.eps, 1e-6),
            zero_centered=pick(self.zero_centered, base.zero_centered, False),
            bias=pick(self.bias, base.bias, kind == "layernorm"),
        )

    def caption(self) -> str:
        """The name as drawn: `RMSNorm`."""
        return "RMSNorm" if self.type == "rmsnorm" else "LayerNorm"


def _true_is_default(value: Any) -> Any:
    return {} if value is True else None if value is False else value


OptionalNorm = Annotated[
    Norm | None,
    BeforeValidator(_true_is_default, json_schema_input_type=bool | Norm | None),
]
"""A norm, `true` for the model's own norm, or `false` for none."""


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
