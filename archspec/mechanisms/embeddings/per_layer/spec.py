"""Per-layer embeddings: each layer reads a vector of the token made for it alone."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from archspec.architecture.graph import INPUT, GraphBuilder, Operator, OperatorGraph, linear
from archspec.architecture.operators import norm_operator
from archspec.mechanisms.base import Mechanism
from archspec.spec.activation import CAPTIONS, Fixed
from archspec.spec.base import Size
from archspec.spec.norm import OptionalNorm


class PerLayerEmbedding(Mechanism):
    """N(W_up (f(W_gate x) ⊙ e)), where e is the token's vector for this layer."""

    attribute: ClassVar[str] = "per_layer"
    noun: ClassVar[str] = "PerLayerEmbedding"

    type: Literal["per_layer_input"] = "per_layer_input"
    width: Size = Field(description="Width of the token's vector for a layer.")
    activation: Fixed = Field(description="Applied to the gate.")
    norm: OptionalNorm = Field(default=None, description="A norm of what it gives.")

    def title(self) -> str:
        """The name on the block."""
        return "Per-layer embedding"

    def role(self) -> str:
        """The same wherever it stands."""
        return "PerLayerEmbedding"

    def caption(self, hidden_size: int) -> str:
        """The widths."""
        width = f"{hidden_size:,}"
        return f"The token's own vector for this layer, gated: {width} → {self.width:,} → {width}."

    def norms_itself(self) -> bool:
        """It reads x as it is."""
        return True

    def graph(self, hidden_size: int) -> OperatorGraph:
        """Gate, product with the token's vector, back to the stream."""
        build, wide = GraphBuilder(hidden_size), (self.width,)
        gate = build.add(linear("gate_proj", "Linear gate", hidden_size, wide), INPUT)
        gate = build.add(
            Operator("activation", "activation", CAPTIONS[self.activation], wide), gate
        )
        vector = build.add(Operator("vector", "shared", "Token's vector", wide, detail="embedding"))
        x = build.add(Operator("product", "multiply", "×", wide), gate, vector)
        x = build.add(linear("up_proj", "Linear up", self.width, (hidden_size,)), x)
        if self.norm:
            x = build.add(norm_operator("norm", self.norm, hidden_size), x)
        return build.done(x)
