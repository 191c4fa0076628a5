"""Gated short convolution: a product, a convolution over the last tokens, a product."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from archspec.architecture.graph import OperatorGraph
from archspec.mechanisms.base import Mechanism, State
from archspec.mechanisms.mixers.short_conv.graph import short_conv_graph
from archspec.spec.base import Size


class ShortConvolution(Mechanism):
    """Each channel over its last few tokens, gated before and after by the input itself.

    Three parts b, c, x of one linear map of the layer's input: y = W (c · conv(b · x)).
    """

    attribute: ClassVar[str] = "conv"
    noun: ClassVar[str] = "GatedConv"

    type: Literal["short_conv"]
    channels: Size = Field(
        description="Width of the convolution and of each gate, often `hidden_size`."
    )
    conv: Annotated[int, Field(ge=2, le=256)] = Field(
        description="How many tokens a channel sees, itself included."
    )
    bias: bool = Field(
        default=False, description="Both linear layers and the convolution have biases."
    )

    def state(self) -> State:
        """The tokens before the next one that the convolution still sees."""
        return State(fixed=self.channels * (self.conv - 1))

    def title(self) -> str:
        """By what it computes."""
        return "Gated short convolution"

    def role(self) -> str:
        """There is one kind."""
        return "GatedConv"

    def caption(self, hidden_size: int) -> str:
        """Its channels and how far they see."""
        return f"Convolves {self.channels:,} gated channels over the last {self.conv} tokens."

    def graph(self, hidden_size: int) -> OperatorGraph:
        """From the layer's input to its output."""
        return short_conv_graph(self, hidden_size)
