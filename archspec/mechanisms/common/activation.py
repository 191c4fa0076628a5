"""What stands between the linear layers of a feed-forward, dense or inside an expert."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import Field

from archspec.architecture.graph import GraphBuilder, Operator, Parameter
from archspec.spec.activation import CAPTIONS, LEARNED, Activation
from archspec.spec.base import Factor, Strict, reject

Value = str | tuple[str, str]
"""An operator's name, or (its name, the name of one of its values)."""


class Inner(Strict):
    """The stages between the linear layers: clamp → activation → clamp → offset → product."""

    activation: Activation = Field(description="Applied to the gate, or between plain layers.")
    gated: bool = Field(description="down(activation(gate(x)) · up(x)) in place of two layers.")
    clamp: Factor | None = Field(
        default=None,
        description="Before the activation, gate ≤ clamp and |up| ≤ clamp.",
    )
    clamp_after: Factor | None = Field(
        default=None,
        description="After the activation, activation(gate) ≤ clamp_after and |up| ≤ clamp_after.",
    )
    up_offset: float = Field(
        default=0.0, ge=-100, le=100, description="Added to `up` before the product."
    )

    def check_inner(self) -> None:
        """Reject what plain layers do not have."""
        if self.up_offset and not self.gated:
            reject("up_offset", "without a gate there is no product for `up` to enter")

    def add_inner(self, build: GraphBuilder, up: Value, gate: Value | None, width: int) -> str:
        """Add the operators over `up`, and `gate` where there is one; the last one's name.

        `width` is that of each of them.
        """
        wide, label = (width,), CAPTIONS[self.activation]

        def clamp(name: str, value: Value, limit: float, sides: str) -> str:
            detail = f"{sides}{limit:g}"
            return build.add(Operator(name, "clamp", "Clamp", wide, detail=detail), value)

        if self.clamp is not None:
            up = clamp("clamp_up", up, self.clamp, "±")
            gate = gate and clamp("clamp_gate", gate, self.clamp, "≤ ")
        learned = LEARNED.get(self.activation, {})
        numbers = tuple(Parameter(f"activation.{name}", (1,)) for name in learned)
        act = build.add(Operator("activation", "activation", label, wide, numbers), gate or up)
        if self.clamp_after is not None:
            act = clamp("clamp_activation", act, self.clamp_after, "≤ ")
        if gate is None:
            return act
        if self.clamp_after is not None:
            up = clamp("clamp_up_after", up, self.clamp_after, "±")
        if self.up_offset:
            offset = Operator("offset", "add", f"{self.up_offset:+g}", wide)
            up = build.add(offset, up)
        return build.add(Operator("product", "multiply", "×", wide), act, up)


@dataclass(frozen=True)
class InnerView:
    """What `inner.jinja` sees."""

    activation: str
    gated: bool
    clamp: float | None
    clamp_after: float | None
    up: str
    """The factor beside the activation: `up`, or `(up + 1.0)`."""

    offset: float
    """What is added to `up` in it."""

    learned: dict[str, float] | None
    """The activation's own parameters, where it has any."""


def inner_view(inner: Inner) -> InnerView:
    """What the templates see of these stages."""
    return InnerView(
        inner.activation,
        inner.gated,
        inner.clamp,
        inner.clamp_after,
        f"(up + {inner.up_offset})" if inner.up_offset else "up",
        inner.up_offset,
        LEARNED.get(inner.activation),
    )
