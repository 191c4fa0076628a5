"""Gated DeltaNet (arXiv 2412.06464), and DeltaNet (arXiv 2406.06484) without decay."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from archspec.architecture.graph import INPUT, GraphBuilder, Operator, Parameter, linear
from archspec.mechanisms.common.delta import DeltaMixer
from archspec.mechanisms.common.output_gate import OutputGate
from archspec.spec.base import Size, near_divisor, reject


class GatedDeltaNet(DeltaMixer):
    """The delta rule whose matrices decay as a whole, each by one number for a token.

    The stages, in order: project → conv → SiLU → L2 norm → delta rule with decay → norm → gate →
    output. Decay: e^g with g = −e^A softplus(W_a x + dt), as in arXiv 2405.21060.
    """

    attribute: ClassVar[str] = "linear_attn"
    noun: ClassVar[str] = "GatedDeltaNet"

    type: Literal["gated_deltanet"]
    key_heads: Size = Field(description="Query and key heads.")
    value_heads: Size = Field(
        description="Value heads; each key head serves as many of them as the next."
    )
    decay: Literal["head", "none"] = Field(
        default="head", description="`head`: a decay for each value head; `none`: DeltaNet."
    )
    gate: OutputGate | None = Field(
        default=OutputGate(activation="silu"), description="A gate on what the heads give."
    )

    @model_validator(mode="after")
    def _check(self) -> GatedDeltaNet:
        if self.value_heads % self.key_heads:
            near = near_divisor(self.value_heads, self.key_heads)
            reject(
                "key_heads",
                f"{self.value_heads} value heads cannot share {self.key_heads} key heads evenly",
                f"the nearest that divides {self.value_heads} is {near}",
            )
        return self

    @property
    def query_heads(self) -> int:
        """Query and key heads."""
        return self.key_heads

    @property
    def memories(self) -> int:
        """Value heads."""
        return self.value_heads

    @property
    def output_gate(self) -> OutputGate | None:
        """The gate on what the heads give."""
        return self.gate

    def add_decay(self, build: GraphBuilder, hidden_size: int) -> list[str]:
        """One number for each value head."""
        if self.decay == "none":
            return []
        heads = (self.value_heads,)
        raw = build.add(linear("a_proj", "Linear decay", hidden_size, heads), INPUT)
        decay = Operator(
            "decay",
            "activation",
            "Decay",
            heads,
            (Parameter("A_log", heads, keeps=True), Parameter("dt_bias", heads, keeps=True)),
            detail="−e^A softplus",
        )
        return [build.add(decay, raw)]

    def title(self) -> str:
        """The paper's name."""
        return "DeltaNet" if self.decay == "none" else "Gated DeltaNet"

    def role(self) -> str:
        """The same as a class."""
        return "DeltaNet" if self.decay == "none" else "GatedDeltaNet"

    def caption(self, hidden_size: int) -> str:
        """Its matrices, the heads that share them, its decay and convolutions."""
        decay = "without decay" if self.decay == "none" else "with a decay per head"
        return f"Delta rule {decay}: {self.sentence()}."
