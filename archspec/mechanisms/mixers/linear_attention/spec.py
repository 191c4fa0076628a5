"""Linear attention: a matrix of sums in place of all earlier keys and values (arXiv 2006.16236)."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from archspec.architecture.graph import OperatorGraph
from archspec.mechanisms.base import Mechanism, Slopes, State
from archspec.mechanisms.common.output_gate import OutputGate
from archspec.mechanisms.mixers.linear_attention.fields import (
    Decay,
    OptionalOutputNorm,
    SlopesDecay,
)
from archspec.mechanisms.mixers.linear_attention.graph import linear_attention_graph
from archspec.spec.activation import Elementwise
from archspec.spec.base import Factor, Size, reject
from archspec.spec.norm import OptionalHeadNorm
from archspec.spec.rope import Rope


class LinearAttention(Mechanism):
    """Each head keeps a matrix S, writes every token into it and reads it with its query.

    S_t = a_t · S_{t−1} + k_tᵀ v_t and o_t = scale · q_t S_t, where `decay` says what a_t is. The
    stages, in order: project → activation → norm → rope → read and write → norm → gate → output.
    """

    attribute: ClassVar[str] = "self_attn"
    noun: ClassVar[str] = "LinearAttention"

    type: Literal["linear_attention"]
    heads: Size = Field(description="Heads, each with queries, keys, values and a state.")
    key_head_dim: Size = Field(description="Width of one query or key head.")
    value_head_dim: Size | None = Field(
        default=None, description="Width of one value head; `key_head_dim` when left out."
    )
    qkv_bias: bool = Field(default=False, description="Query, key and value layers have biases.")
    output_bias: bool = Field(default=False, description="The output layer has a bias.")
    activation: Elementwise | None = Field(
        default=None, description="Applied to queries, keys and values."
    )
    qk_norm: OptionalHeadNorm = Field(default=None, description="A norm of queries and keys.")
    rope: Rope | None = Field(default=None, description="Rotary positions.")
    scale: Factor | None = Field(
        default=None, description="Multiplies what is read; key_head_dim^-0.5 when left out."
    )
    decay: Decay | None = Field(
        default=None, description="How the state fades; it only grows when left out."
    )
    output_norm: OptionalOutputNorm = Field(
        default=None, description="A norm of what is read from the state."
    )
    gate: OutputGate | None = Field(default=None, description="A gate on what is read.")

    @model_validator(mode="after")
    def _check(self) -> LinearAttention:
        if self.rope:
            self.rope.check(self.key_head_dim, "key_head_dim")
        if self.qk_norm and self.qk_norm.scope == "width" and self.qk_norm.after_rope:
            reject("qk_norm", "a norm over all heads together comes before the rotation")
        groups = self.output_norm.groups if self.output_norm else None
        if groups and self.output_width % groups:
            reject(
                ("output_norm", "groups"),
                f"{self.output_width} numbers do not make {groups} equal parts",
            )
        return self

    @property
    def value_width(self) -> int:
        """Width of one value head."""
        return self.value_head_dim or self.key_head_dim

    @property
    def output_width(self) -> int:
        """Width of all value heads."""
        return self.heads * self.value_width

    @property
    def read_scale(self) -> float:
        """What is read is multiplied by this."""
        return self.scale if self.scale is not None else self.key_head_dim**-0.5

    def rotary(self) -> tuple[Rope, int] | None:
        """Its rotary positions and the head width."""
        return (self.rope, self.key_head_dim) if self.rope else None

    def state(self) -> State:
        """A matrix for each head."""
        return State(exact=self.heads * self.key_head_dim * self.value_width)

    def reads_depth(self) -> bool:
        """Where its slopes fall from layer to layer."""
        return isinstance(self.decay, SlopesDecay) and self.decay.fall > 0

    def slopes(self) -> Slopes | None:
        """Where its decay is made of slopes."""
        decay = self.decay
        if not isinstance(decay, SlopesDecay):
            return None
        return Slopes(self.heads, decay.max_exponent, decay.factor, decay.fall)

    def too_deep(self, index: int) -> tuple[str, str] | None:
        """Where a slope would no longer be positive."""
        if not isinstance(self.decay, SlopesDecay) or (left := self.decay.at(index)) > 0:
            return None
        message = f"layer {index} would have slopes times {left:.6g}, which must stay positive"
        return "decay.fall", message

    def title(self) -> str:
        """By how the state fades."""
        names = {"slopes": "Lightning attention", "retention": "Retention"}
        names["learned"] = "Gated linear attention"
        return names[self.decay.type] if self.decay else "Linear attention"

    def role(self) -> str:
        """The same in one word."""
        return "".join(word.capitalize() for word in self.title().split())

    def caption(self, hidden_size: int) -> str:
        """Its heads, what they keep and how it fades."""
        heads = "One head keeps" if self.heads == 1 else f"{self.heads} heads keep"
        fades = "only grows"
        if self.decay:
            fades = "fades at a rate of its own"
            if self.decay.type == "learned":
                fades = f"fades as each token says, by {self.decay.per}"
        if self.reads_depth():
            fades += ", more slowly with depth"
        size = f"{self.key_head_dim} × {self.value_width}"
        return f"{heads} a state of {size}{' each' if self.heads > 1 else ''}, which {fades}."

    def graph(self, hidden_size: int) -> OperatorGraph:
        """From the layer's input to its output, stage by stage."""
        return linear_attention_graph(self, hidden_size)
