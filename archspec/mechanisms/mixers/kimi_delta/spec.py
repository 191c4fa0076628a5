"""KDA, the delta rule with a decay for each channel of a key (arXiv 2510.26692)."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from archspec.architecture.graph import GraphBuilder, Operator, Parameter
from archspec.mechanisms.common.delta import DeltaMixer, add_projection
from archspec.mechanisms.common.output_gate import OutputGate
from archspec.spec.base import Size


class KimiDelta(DeltaMixer):
    """The delta rule whose matrices decay row by row, each row by a number of its own.

    The stages, in order: project → conv → SiLU → L2 norm → delta rule with decay → norm → gate →
    output. Decay: e^g with g = −e^A softplus(f + dt), f a linear map of x; with `lower_bound` b,
    g = b σ(e^A (f + dt)), so that no row ever decays faster than e^b for a token.
    """

    attribute: ClassVar[str] = "self_attn"
    noun: ClassVar[str] = "DeltaAttention"

    type: Literal["kimi_delta"]
    heads: Size = Field(description="Heads of queries, keys and values.")
    decay_rank: Size | None = Field(
        default=None, description="The decay goes through so few numbers; straight when left out."
    )
    lower_bound: float | None = Field(
        default=None,
        lt=0,
        ge=-1000,
        description="The least logarithm of a decay for one token (the safe gate).",
    )
    float32: bool = Field(
        default=False,
        description="What shapes the decay, and the convolutions, are float32 in a model of any "
        "type.",
    )
    gate: OutputGate | None = Field(
        default=OutputGate(activation="sigmoid"), description="A gate on what the heads give."
    )

    @property
    def exact(self) -> bool:
        """As it says."""
        return self.float32

    @property
    def query_heads(self) -> int:
        """As many as value heads."""
        return self.heads

    @property
    def memories(self) -> int:
        """All heads."""
        return self.heads

    @property
    def output_gate(self) -> OutputGate | None:
        """The gate on what the heads give."""
        return self.gate

    def add_decay(self, build: GraphBuilder, hidden_size: int) -> list[str]:
        """One number for each channel of each key head."""
        shape = (self.heads, self.key_head_dim)
        raw = add_projection(build, "f", "Linear decay", hidden_size, shape, self.decay_rank)
        bounded = f"{self.lower_bound:g} σ(e^A ·)" if self.lower_bound else "−e^A softplus"
        bounded += ", float32" if self.float32 else ""
        decay = Operator(
            "decay",
            "activation",
            "Decay",
            shape,
            (
                Parameter("A_log", (self.heads,), keeps=True),
                Parameter("dt_bias", (self.heads * self.key_head_dim,), keeps=True),
            ),
            detail=bounded,
        )
        return [build.add(decay, raw)]

    def title(self) -> str:
        """What it does, and the paper's short name."""
        return "Delta attention (KDA)"

    def role(self) -> str:
        """The same as a class."""
        return "DeltaAttention"

    def caption(self, hidden_size: int) -> str:
        """Its matrices, its decay and convolutions."""
        return f"Delta rule with a decay per channel: {self.sentence()}."
