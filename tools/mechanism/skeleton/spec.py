"""Leaky integrator: a running mean of each channel, at a pace that is learned."""

from __future__ import annotations

from typing import ClassVar, Literal

from archspec.mechanisms.mixers.leaky_integrator.graph import leaky_integrator_graph
from pydantic import Field

from archspec.architecture.graph import OperatorGraph
from archspec.mechanisms.base import Mechanism, State
from archspec.spec.base import Size


class LeakyIntegrator(Mechanism):
    """A number for each channel, which moves a part of the way to each token's.

    The stages, in order: project → recurrence → output.
    """

    attribute: ClassVar[str] = "leaky_integrator"
    noun: ClassVar[str] = "LeakyIntegrator"

    type: Literal["leaky_integrator"]
    inner_dim: Size = Field(description="Channels, each with a number that is kept.")
    bias: bool = Field(default=False, description="Both linear layers have a bias.")

    def state(self) -> State:
        """A number for each channel, in float32 whatever the model's type."""
        return State(exact=self.inner_dim)

    def title(self) -> str:
        """The name on the block."""
        return "Leaky integrator"

    def role(self) -> str:
        """The name of the class, where there are several kinds."""
        return "LeakyIntegrator"

    def caption(self, hidden_size: int) -> str:
        """Its numbers, in a sentence."""
        return f"Keeps a running mean of {self.inner_dim:,} channels."

    def graph(self, hidden_size: int) -> OperatorGraph:
        """From the layer's input to its output, stage by stage."""
        return leaky_integrator_graph(self, hidden_size)
