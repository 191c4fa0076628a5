"""Mamba-2: a state-space recurrence whose decay is one number for each head (arXiv 2405.21060)."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from archspec.architecture.graph import OperatorGraph
from archspec.mechanisms.base import Mechanism, State
from archspec.mechanisms.mixers.mamba2.fields import OptionalGatedNorm, PartScales
from archspec.mechanisms.mixers.mamba2.graph import mamba2_graph
from archspec.spec.base import Factor, Size, reject


class Mamba2(Mechanism):
    """A matrix for each head that decays with every token and takes up what the token writes.

    The stages, in order: project → scale → conv → SiLU → recurrence → skip → gate and norm →
    output.
    """

    attribute: ClassVar[str] = "mamba"
    noun: ClassVar[str] = "Mamba2"

    type: Literal["mamba2"]
    heads: Size = Field(description="Heads, each with a state of its own.")
    head_dim: Size = Field(description="Width of one head.")
    state_dim: Size = Field(description="Numbers kept for each dimension of a head.")
    groups: Size = Field(
        default=1, description="The heads of a group write and read by the same vectors B and C."
    )
    conv: Size = Field(description="Tokens that the short convolution sees.")
    conv_bias: bool = Field(default=False, description="The convolution has a bias.")
    input_bias: bool = Field(default=False, description="The input layer has a bias.")
    output_bias: bool = Field(default=False, description="The output layer has a bias.")
    dt_min: float = Field(default=0.0, ge=0, le=1e9, description="The least step of time Δ.")
    dt_max: Factor | None = Field(
        default=None, description="The largest step of time Δ; without a bound when left out."
    )
    skip: bool = Field(
        default=True, description="Each head's input, times a learned number, joins its output."
    )
    norm: OptionalGatedNorm = Field(
        default=None, description="RMSNorm over each group of the output, beside the gate."
    )
    part_scales: PartScales | None = Field(
        default=None, description="A factor for each part of what the input layer gives."
    )

    @model_validator(mode="after")
    def _check(self) -> Mamba2:
        if self.heads % self.groups:
            reject("groups", f"{self.heads} heads cannot form {self.groups} groups evenly")
        if self.dt_max is not None and self.dt_max <= self.dt_min:
            reject("dt_max", "must be above dt_min")
        return self

    @property
    def inner(self) -> int:
        """Width of all heads together."""
        return self.heads * self.head_dim

    @property
    def channels(self) -> int:
        """What the convolution runs over: the heads' inputs, B and C."""
        return self.inner + 2 * self.groups * self.state_dim

    def state(self) -> State:
        """The convolution's last inputs, and a matrix for each head."""
        return State(
            fixed=(self.conv - 1) * self.channels,
            exact=self.heads * self.head_dim * self.state_dim,
        )

    def title(self) -> str:
        """The name on the block."""
        return "Mamba-2"

    def role(self) -> str:
        """The same wherever it stands."""
        return "Mamba2"

    def caption(self, hidden_size: int) -> str:
        """Its heads, their states and their groups."""
        heads = f"{self.heads:,} head{'s' if self.heads > 1 else ''} of width {self.head_dim}"
        groups = f"{self.groups} groups" if self.groups > 1 else "one group"
        return (
            f"Mamba-2: {heads} in {groups}, each with a state of "
            f"{self.head_dim} × {self.state_dim}."
        )

    def graph(self, hidden_size: int) -> OperatorGraph:
        """From the layer's input to its output, stage by stage."""
        return mamba2_graph(self, hidden_size)
