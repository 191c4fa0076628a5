"""Softmax attention: multi-head, grouped-query and multi-query (arXiv 1706.03762, 2305.13245)."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from archspec.graph import INPUT, GraphBuilder, Operator, OperatorGraph, Parameter, linear
from archspec.mask import Mask
from archspec.mechanisms.base import Mechanism, State
from archspec.operators import norm_operator
from archspec.spec.base import Factor, Size, Tokens, reject
from archspec.spec.norm import OptionalNorm
from archspec.spec.rope import Rope


class Attention(Mechanism):
    """Softmax attention over earlier tokens, or over all of them.

    The stages, in order: project → norm → rope → scores (scale, mask, sink) → values → output.
    """

    attribute: ClassVar[str] = "self_attn"
    noun: ClassVar[str] = "Attention"

    type: Literal["attention"]
    heads: Size = Field(description="Query heads.")
    kv_heads: Size | None = Field(
        default=None, description="Key and value heads; as many as query heads when left out."
    )
    head_dim: Size = Field(description="Width of one head.")
    causal: bool = Field(default=True, description="A token sees itself and what came before it.")
    window: Tokens | None = Field(
        default=None, description="How many tokens a query sees, itself included."
    )
    qkv_bias: bool = Field(default=False, description="Query, key and value layers have biases.")
    output_bias: bool = Field(default=False, description="The output layer has a bias.")
    qk_norm: OptionalNorm = Field(
        default=None, description="A norm over each query and key head, before the rotation."
    )
    rope: Rope | None = Field(default=None, description="Rotary positions.")
    scale: Factor | None = Field(
        default=None, description="Multiplies the scores; head_dim^-0.5 when left out."
    )
    sinks: bool = Field(
        default=False,
        description="A learned logit for each head joins the softmax and has no value.",
    )

    @model_validator(mode="after")
    def _check(self) -> Attention:
        if self.heads % self.key_heads:
            fits = [n for n in range(1, self.heads + 1) if self.heads % n == 0]
            near = min(fits, key=lambda n: abs(n - self.key_heads))
            reject(
                "kv_heads",
                f"{self.heads} heads cannot share {self.key_heads} key-value heads evenly",
                f"kv_heads divides heads: {near} would",
            )
        if self.rope and self.rope.width(self.head_dim) % 2:
            reject(
                "head_dim",
                f"rope turns {self.rope.width(self.head_dim)} of {self.head_dim} dimensions; "
                "it turns pairs, so that number must be even",
            )
        if self.rope and self.rope.width(self.head_dim) == 0:
            reject("head_dim", "too narrow for the share of it that rope turns")
        if self.window and not self.causal:
            reject("window", "a window looks back, so it needs `causal: true`")
        if self.sinks and not self.causal:
            reject("sinks", "sinks are for causal attention, so they need `causal: true`")
        return self

    @property
    def key_heads(self) -> int:
        """How many key and value heads there are."""
        return self.kv_heads or self.heads

    @property
    def score_scale(self) -> float:
        """What the scores are multiplied by."""
        return self.scale if self.scale is not None else self.head_dim**-0.5

    def mask(self) -> Mask:
        """Causal with an optional window, or everything."""
        return Mask(self.causal, self.window)

    def rotary(self) -> tuple[Rope, int] | None:
        """Its rotary positions and the head width."""
        return (self.rope, self.head_dim) if self.rope else None

    def state(self) -> State:
        """A key and a value for each key head and token; none when it is not causal."""
        if not self.causal:
            return State()
        return State(2 * self.key_heads * self.head_dim, self.window)

    def title(self) -> str:
        """Multi-head, grouped-query or multi-query attention."""
        if self.key_heads == self.heads:
            return "Multi-head attention"
        return "Multi-query attention" if self.key_heads == 1 else "Grouped-query attention"

    def role(self) -> str:
        """Named by what it sees."""
        if not self.causal:
            return "BidirectionalAttention"
        return "SlidingAttention" if self.window else "GlobalAttention"

    def caption(self, hidden_size: int) -> str:
        """What it sees, its heads and their width."""
        if not self.causal:
            sees = "the whole text"
        elif self.window:
            sees = f"the last {_count(self.window, 'token')}"
        else:
            sees = "all earlier tokens"
        heads = f"{_count(self.heads, 'head')} of width {self.head_dim}"
        if self.key_heads < self.heads:
            heads += f" share {_count(self.key_heads, 'key-value head')}"
        return f"Attends to {sees}: {heads}."

    def graph(self, hidden_size: int) -> OperatorGraph:
        """Project, norm, rotate, attend, project back."""
        query, key = (self.heads, self.head_dim), (self.key_heads, self.head_dim)
        build = GraphBuilder(hidden_size)
        q = build.add(linear("q_proj", "Linear q", hidden_size, query, self.qkv_bias), INPUT)
        k = build.add(linear("k_proj", "Linear k", hidden_size, key, self.qkv_bias), INPUT)
        v = build.add(linear("v_proj", "Linear v", hidden_size, key, self.qkv_bias), INPUT)
        if self.qk_norm:
            q = build.add(norm_operator("q_norm", self.qk_norm, self.head_dim, query), q)
            k = build.add(norm_operator("k_norm", self.qk_norm, self.head_dim, key), k)
        if self.rope:
            detail = f"base {self.rope.theta:,.0f}"
            q = build.add(Operator("q_rope", "rope", "RoPE", query, detail=detail), q)
            k = build.add(Operator("k_rope", "rope", "RoPE", key, detail=detail), k)
        sources = [(q, "q"), (k, "k"), (v, "v")]
        if self.sinks:
            sink = Operator(
                "sinks", "sink", "Sinks", (self.heads,), (Parameter("sinks", (self.heads,)),)
            )
            sources.append((build.add(sink), "sink"))
        attend = Operator(
            "attend",
            "attention",
            "Scaled dot-product attention",
            query,
            per_key=4 * self.heads * self.head_dim,
            mask=self.mask(),
            detail=self.mask().caption(),
        )
        out = build.add(attend, *sources)
        width = self.heads * self.head_dim
        o = linear("o_proj", "Linear o", width, (hidden_size,), self.output_bias)
        return build.done(build.add(o, out))


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" + ("" if number == 1 else "s")
