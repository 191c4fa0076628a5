"""The dense feed-forward, plain (arXiv 1706.03762) or gated (GLU variants, arXiv 2002.05202)."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from archspec.architecture.graph import INPUT, GraphBuilder, Operator, OperatorGraph, linear
from archspec.mechanisms.base import Mechanism
from archspec.mechanisms.common.activation import Inner
from archspec.spec.activation import CAPTIONS, GATED_CAPTIONS
from archspec.spec.base import Factor, Size, reject


class DenseFeedForward(Inner, Mechanism):
    """Two linear layers with an activation between, or three with a gate."""

    attribute: ClassVar[str] = "mlp"
    noun: ClassVar[str] = "FeedForward"

    type: Literal["dense"]
    intermediate_size: Size = Field(description="Width between the linear layers.")
    gate_scale: Factor | None = Field(
        default=None, description="Multiplies the gate before all that follows it."
    )
    bias: bool = Field(default=False, description="The linear layers have biases.")

    @model_validator(mode="after")
    def _check(self) -> DenseFeedForward:
        self.check_inner()
        if self.gate_scale is not None and not self.gated:
            reject("gate_scale", "without `gated` there is no gate to multiply")
        return self

    def title(self) -> str:
        """The name on the block."""
        return "Feed-forward"

    def role(self) -> str:
        """The same wherever it stands."""
        return "FeedForward"

    def caption(self, hidden_size: int) -> str:
        """The widths and the activation."""
        if self.gated:
            kind = f"{GATED_CAPTIONS[self.activation]} feed-forward"
        else:
            kind = f"Feed-forward with {CAPTIONS[self.activation]}"
        return f"{kind}: {hidden_size:,} → {self.intermediate_size:,} → {hidden_size:,}."

    def graph(self, hidden_size: int) -> OperatorGraph:
        """Up (and gate), what stands between, down."""
        wide = self.intermediate_size
        build = GraphBuilder(hidden_size)

        def widen(name: str, label: str) -> str:
            return build.add(linear(name, label, hidden_size, (wide,), self.bias), INPUT)

        gate = widen("gate_proj", "Linear gate") if self.gated else None
        if gate and self.gate_scale is not None:
            label = f"× {self.gate_scale:.4g}"
            gate = build.add(Operator("gate_scale", "scale", label, (wide,)), gate)
        up = widen("up_proj", "Linear up")
        inner = self.add_inner(build, up, gate, wide)
        down = linear("down_proj", "Linear down", wide, (hidden_size,), self.bias)
        return build.done(build.add(down, inner))
