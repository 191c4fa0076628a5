"""Softmax attention: multi-head, grouped-query and multi-query (arXiv 1706.03762, 2305.13245)."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from archspec.architecture.block_pattern import BlockPattern
from archspec.architecture.graph import OperatorGraph, Parameter
from archspec.architecture.mask import Mask
from archspec.mechanisms.base import Mechanism, State
from archspec.mechanisms.common.selection import fields as selection
from archspec.mechanisms.common.selection.fields import Selection
from archspec.mechanisms.mixers.attention.fields import (
    BlockSparse,
    Gate,
    OptionalAlibi,
    RelativeBias,
    Temperature,
)
from archspec.mechanisms.mixers.attention.graph import attention_graph
from archspec.mechanisms.mixers.attention.invariants import check
from archspec.spec.base import Factor, Size, Tokens
from archspec.spec.norm import OptionalHeadNorm, OptionalNorm
from archspec.spec.rope import Rope


class Attention(Mechanism):
    """Softmax attention over earlier tokens, or over all of them.

    The stages, in order: project → clip → norm → rope → temperature → scores (scale, soft cap,
    bias, mask, sink) → values → gate → output.
    """

    attribute: ClassVar[str] = "self_attn"
    noun: ClassVar[str] = "Attention"

    type: Literal["attention"]
    heads: Size = Field(description="Query heads.")
    kv_heads: Size | None = Field(
        default=None, description="Key and value heads; as many as query heads when left out."
    )
    head_dim: Size = Field(description="Width of one query or key head.")
    value_head_dim: Size | None = Field(
        default=None, description="Width of one value head; `head_dim` when left out."
    )
    source: Literal["self", "encoder"] = Field(
        default="self", description="Keys and values come from this text, or the encoder's states."
    )
    causal: bool = Field(default=True, description="A token sees itself and what came before it.")
    window: Tokens | None = Field(
        default=None, description="How many tokens a query sees, itself included."
    )
    chunk: Tokens | None = Field(
        default=None,
        description="The text is cut into pieces of so many tokens; a query sees its own.",
    )
    block_sparse: BlockSparse | None = Field(
        default=None, description="Which blocks of the text a query sees, where it sees some alone."
    )
    prefix_lm: bool = Field(
        default=False,
        description="The first tokens of a text, as many as a call says, see each other both ways.",
    )
    qkv_bias: bool = Field(default=False, description="Query, key and value layers have biases.")
    key_bias: bool = Field(
        default=True, description="With `qkv_bias`, the key layer has one as well."
    )
    output_bias: bool = Field(default=False, description="The output layer has a bias.")
    keys_as_values: bool = Field(
        default=False, description="Values are what the key layer gives, before norm and rope."
    )
    shared_kv: bool = Field(
        default=False,
        description="Keys and values are those of the last earlier layer that has its own, of the "
        "same heads and with the same view.",
    )
    clip_qkv: Factor | None = Field(
        default=None, description="Queries, keys and values are cut to ± this."
    )
    qk_norm: OptionalHeadNorm = Field(default=None, description="A norm of queries and keys.")
    v_norm: OptionalNorm = Field(default=None, description="A norm over each value head.")
    rope: Rope | None = Field(default=None, description="Rotary positions.")
    alibi: OptionalAlibi = Field(default=None, description="A bias that falls with distance.")
    relative_bias: RelativeBias | None = Field(
        default=None, description="A learned bias for each distance."
    )
    temperature: Temperature | None = Field(
        default=None, description="Queries that grow with their position."
    )
    scale: Factor | None = Field(
        default=None, description="Multiplies the scores; head_dim^-0.5 when left out."
    )
    softcap: Factor | None = Field(
        default=None, description="Scores s become softcap · tanh(s / softcap)."
    )
    sinks: bool = Field(
        default=False,
        description="A learned logit for each head joins the softmax and has no value.",
    )
    select: Selection | None = Field(
        default=None, description="Which of the earlier tokens are seen, where that is learned."
    )
    gate: Gate | None = Field(default=None, description="A gate on what attention gives.")

    @model_validator(mode="after")
    def _check(self) -> Attention:
        check(self)
        return self

    @property
    def key_heads(self) -> int:
        """How many key and value heads there are."""
        return self.kv_heads or self.heads

    @property
    def value_width(self) -> int:
        """Width of one value head."""
        return self.value_head_dim or self.head_dim

    @property
    def score_scale(self) -> float:
        """What the scores are multiplied by."""
        return self.scale if self.scale is not None else self.head_dim**-0.5

    def mask(self) -> Mask:
        """Causal, with a window, in chunks or of the best, or everything."""
        if self.source == "encoder":
            return Mask(causal=False, source=True)
        best = self.select.top_k if self.select else None
        blocks = self.pattern
        return Mask(self.causal, self.window, self.chunk, best, self.prefix_lm, blocks=blocks)

    @property
    def pattern(self) -> BlockPattern | None:
        """Which blocks a query sees, where it sees some alone."""
        return self.block_sparse.pattern(self.key_heads) if self.block_sparse else None

    def is_causal(self) -> bool:
        """The encoder's text is known before the first token."""
        return self.causal or self.source == "encoder"

    def packs(self) -> bool:
        """Where it looks back by a formula that holds for each text alone."""
        other = self.prefix_lm or self.select or self.block_sparse
        return self.causal and self.source == "self" and not other

    def common(self) -> tuple[Parameter, ...]:
        """The relative bias, where all layers have one table."""
        if not self.relative_bias or not self.relative_bias.shared:
            return ()
        rows = self.relative_bias.rows(self.causal)
        return (Parameter("relative_bias.weight", (rows, self.heads)),)

    def rotary(self) -> tuple[Rope, int] | None:
        """Its rotary positions and the head width."""
        return (self.rope, self.head_dim) if self.rope else None

    def rotaries(self) -> dict[str, tuple[Rope, int]]:
        """The same, and that of the selection."""
        return super().rotaries() | selection.rotaries(self.select)

    def reads_positions(self) -> bool:
        """Whether it counts positions itself."""
        return self.temperature is not None

    def gives(self) -> str | None:
        """Its keys and values, by what it sees and by their shape, or the tokens that it chose."""
        if self.select:
            return selection.given(self.select)
        gives = self.causal and self.source == "self" and not self.shared_kv
        return self._keys_name() if gives else None

    def takes(self) -> str | None:
        """The keys and values of an earlier layer, or the tokens that it chose."""
        return self._keys_name() if self.shared_kv else selection.taken(self.select)

    def _keys_name(self) -> str:
        kind = "sliding" if self.window else "chunked" if self.chunk else "global"
        sees = f"{self.window or self.chunk or 'all'}"
        if own := self.pattern:
            kind, sees = "blocks", f"{own.size}_{own.local}_{own.first}_{own.stride}_{own.shift}"
        width = f"{self.head_dim}"
        width += f"_{self.value_width}" if self.value_width != self.head_dim else ""
        return f"{kind}_{sees}_{self.key_heads}x{width}"

    def state(self) -> State:
        """A key and a value for each key head and token; none when they are not its own."""
        numbers = self.key_heads * (self.head_dim + self.value_width)
        if self.source == "encoder":
            return State(per_source=numbers)
        if not self.causal or self.shared_kv:
            return State()
        return State(numbers + selection.kept_dim(self.select), self.window or self.chunk)

    def title(self) -> str:
        """Multi-head, grouped-query or multi-query attention."""
        if self.source == "encoder":
            return "Cross-attention"
        if self.key_heads == self.heads:
            title = "Multi-head attention"
        else:
            title = "Multi-query attention" if self.key_heads == 1 else "Grouped-query attention"
        sparse = "Sparse" if self.select else "Block-sparse" if self.block_sparse else ""
        return f"{sparse} {title[:1].lower()}{title[1:]}" if sparse else title

    def role(self) -> str:
        """Named by what it sees."""
        if self.source == "encoder":
            return "CrossAttention"
        if not self.causal:
            return "BidirectionalAttention"
        if self.chunk:
            return "ChunkedAttention"
        if self.select:
            return "SparseAttention"
        if self.block_sparse:
            return "BlockSparseAttention"
        return "SlidingAttention" if self.window else "GlobalAttention"

    def caption(self, hidden_size: int) -> str:
        """What it sees, its heads and their width."""
        if self.source == "encoder":
            sees = "the encoder's states"
        elif not self.causal:
            sees = "the whole text"
        elif self.window:
            sees = f"the last {_count(self.window, 'token')}"
        elif self.chunk:
            sees = f"its chunk of {_count(self.chunk, 'token')}"
        elif self.select:
            sees = f"the best {self.select.top_k:,} earlier tokens"
        elif self.pattern:
            sees = self.pattern.sentence()
        else:
            sees = "all earlier tokens"
        heads = f"{_count(self.heads, 'head')} of width {self.head_dim}"
        if self.key_heads < self.heads:
            noun = "borrowed key-value head" if self.shared_kv else "key-value head"
            heads += f" share {_count(self.key_heads, noun)}"
        elif self.shared_kv:
            heads += " with borrowed keys and values"
        return f"Attends to {sees}: {heads}."

    def graph(self, hidden_size: int) -> OperatorGraph:
        """From the layer's input to its output, stage by stage."""
        return attention_graph(self, hidden_size)


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" + ("" if number == 1 else "s")
