"""Mamba: a state-space recurrence with a decay for every channel and state (arXiv 2312.00752)."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from archspec.architecture.graph import OperatorGraph
from archspec.mechanisms.base import Mechanism, State
from archspec.mechanisms.mixers.mamba.graph import mamba_graph
from archspec.spec.base import Size
from archspec.spec.norm import OptionalNorm


class Mamba(Mechanism):
    """A vector for each channel, of which every number decays at a rate of its own.

    The stages, in order: project → conv → SiLU → step, B and C → recurrence → skip → gate → output.
    """

    attribute: ClassVar[str] = "mamba"
    noun: ClassVar[str] = "Mamba"

    type: Literal["mamba"]
    inner_dim: Size = Field(description="Channels, each with a state of its own.")
    state_dim: Size = Field(description="Numbers kept for each channel.")
    dt_rank: Size = Field(description="Width of what the step of time Δ is projected from.")
    conv: Size = Field(description="Tokens that the short convolution sees.")
    conv_bias: bool = Field(default=False, description="The convolution has a bias.")
    input_bias: bool = Field(default=False, description="The input layer has a bias.")
    output_bias: bool = Field(default=False, description="The output layer has a bias.")
    inner_norm: OptionalNorm = Field(
        default=None, description="A norm of what Δ is projected from, of B and of C."
    )
    skip: bool = Field(
        default=True, description="Each channel's input, times a learned number, joins its output."
    )

    def state(self) -> State:
        """The convolution's last inputs, and a vector for each channel."""
        return State(fixed=(self.conv - 1) * self.inner_dim, exact=self.inner_dim * self.state_dim)

    def title(self) -> str:
        """The name on the block."""
        return "Mamba"

    def role(self) -> str:
        """The same wherever it stands."""
        return "Mamba"

    def caption(self, hidden_size: int) -> str:
        """Its channels and their states."""
        return f"Mamba: {self.inner_dim:,} channels, each with a state of {self.state_dim} numbers."

    def graph(self, hidden_size: int) -> OperatorGraph:
        """From the layer's input to its output, stage by stage."""
        return mamba_graph(self, hidden_size)
