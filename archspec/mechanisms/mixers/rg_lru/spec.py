"""RG-LRU: a diagonal recurrence whose gates read its input (Griffin, arXiv 2402.19427)."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from archspec.architecture.graph import OperatorGraph
from archspec.mechanisms.base import Mechanism, State
from archspec.mechanisms.mixers.rg_lru.graph import rg_lru_graph
from archspec.spec.activation import LEARNED, Activation
from archspec.spec.base import Size, reject


class RealGatedLRU(Mechanism):
    """A number for each channel, of which a gate keeps more or less at every token.

    The stages, in order: project → conv → gates → recurrence → times the other branch → output.
    """

    attribute: ClassVar[str] = "rg_lru"
    noun: ClassVar[str] = "RealGatedLRU"
    proper: ClassVar[bool] = True

    type: Literal["rg_lru"]
    inner_dim: Size = Field(description="Channels, each with a number that is kept.")
    heads: Size = Field(description="Blocks of channels; gates read the channels of their block.")
    conv: Size = Field(description="Tokens that the short convolution sees.")
    activation: Activation = Field(
        default="gelu_tanh", description="Of the branch that multiplies what the recurrence gives."
    )
    conv_bias: bool = Field(default=True, description="The convolution has a bias.")
    input_bias: bool = Field(default=True, description="Both input layers have a bias.")
    output_bias: bool = Field(default=True, description="The output layer has a bias.")

    @model_validator(mode="after")
    def _divides(self) -> Self:
        if self.inner_dim % self.heads:
            reject("heads", f"{self.heads} blocks do not divide {self.inner_dim} channels")
        if self.activation in LEARNED:
            reject("activation", f"{self.activation} learns numbers, which this branch has none of")
        return self

    @property
    def block_dim(self) -> int:
        """Channels of a block."""
        return self.inner_dim // self.heads

    def outputs(self) -> tuple[str, ...]:
        """The matrix whose product is added to the stream."""
        return ("linear_out",)

    def state(self) -> State:
        """The convolution's last inputs, and a number for each channel."""
        return State(fixed=(self.conv - 1) * self.inner_dim, exact=self.inner_dim)

    def reads_positions(self) -> bool:
        """The first token of a text has nothing before it, and is not scaled for it."""
        return True

    def title(self) -> str:
        """The paper's name."""
        return "RG-LRU"

    def role(self) -> str:
        """The same wherever it stands."""
        return "RealGatedLRU"

    def label(self) -> str:
        """The title, which is a name."""
        return self.within()

    def caption(self, hidden_size: int) -> str:
        """Its channels and the blocks of its gates."""
        blocks = f"{self.heads} blocks of {self.block_dim}" if self.heads > 1 else "one block"
        return f"RG-LRU: {self.inner_dim:,} channels, each with a decay gated in {blocks}."

    def graph(self, hidden_size: int) -> OperatorGraph:
        """From the layer's input to its output, stage by stage."""
        return rg_lru_graph(self, hidden_size)
