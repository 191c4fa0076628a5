"""The dense feed-forward, plain (arXiv 1706.03762) or gated (GLU variants, arXiv 2002.05202)."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from archspec.graph import INPUT, GraphBuilder, Operator, OperatorGraph, linear
from archspec.mechanisms.base import Mechanism
from archspec.spec.activation import CAPTIONS, GATED_CAPTIONS, Activation
from archspec.spec.base import Size


class DenseFeedForward(Mechanism):
    """Two linear layers with an activation between, or three with a gate."""

    attribute: ClassVar[str] = "mlp"
    noun: ClassVar[str] = "FeedForward"

    type: Literal["dense"]
    hidden_size: Size = Field(description="Width between the linear layers.")
    activation: Activation = Field(description="Applied to the gate, or between plain layers.")
    gated: bool = Field(description="down(activation(gate(x)) · up(x)) in place of two layers.")
    bias: bool = Field(default=False, description="The linear layers have biases.")

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
        return f"{kind}: {hidden_size:,} → {self.hidden_size:,} → {hidden_size:,}."

    def graph(self, hidden_size: int) -> OperatorGraph:
        """Up, activation, (times the other half,) down."""
        wide, label = (self.hidden_size,), CAPTIONS[self.activation]
        build = GraphBuilder(hidden_size)
        if self.gated:
            gate = build.add(
                linear("gate_proj", "Linear gate", hidden_size, wide, self.bias), INPUT
            )
            up = build.add(linear("up_proj", "Linear up", hidden_size, wide, self.bias), INPUT)
            act = build.add(Operator("activation", "activation", label, wide), gate)
            inner = build.add(Operator("product", "multiply", "×", wide), act, up)
        else:
            up = build.add(linear("up_proj", "Linear up", hidden_size, wide, self.bias), INPUT)
            inner = build.add(Operator("activation", "activation", label, wide), up)
        down = linear("down_proj", "Linear down", self.hidden_size, (hidden_size,), self.bias)
        return build.done(build.add(down, inner))
