"""Attention in a plain file: every key is kept, and a mask says which of them a query sees."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from archspec.codegen.plain.facts import Fact, Facts, Number, number, times
from archspec.codegen.plain.rotations import rope_facts, unbased
from archspec.codegen.plain.site import OUTSIDE, PlainClass, PlainSite, linear
from archspec.mechanisms.mixers.attention.fields import LearnedTemperature
from archspec.mechanisms.mixers.attention.plain_scores import PlainScores
from archspec.mechanisms.mixers.attention.spec import Attention
from archspec.spec.rope import Rope


def varies(a: Attention, shared: Mapping[str, str]) -> Mapping[str, Number]:
    """Its heads, how far it sees, how it turns, and by which name it shares keys."""
    own = {} if a.shared_kv else {"kv_heads": a.key_heads}
    found = {"heads": a.heads, **own, "head_dim": a.head_dim, "window": a.window}
    return {**found, **rope_facts(a.rope), "keys": shared.get(a.takes() or a.gives() or "")}


def alike(a: Attention, shared: Mapping[str, str]) -> object:
    """All but these, and how many query heads have a key where that stands in the code."""
    changes = {**OUTSIDE, "window": None, "rope": unbased(a.rope)}
    shares = (a.takes() or a.gives()) in shared
    if a.alibi or a.relative_bias or a.block_sparse or a.value_head_dim or a.select:
        return a.model_copy(update=changes), shares
    changes |= {"heads": 1, "kv_heads": 1, "head_dim": 2}
    return a.model_copy(update=changes), shares, a.key_heads == a.heads


def differs(a: Attention) -> Iterator[str]:
    """What queries see, how they turn, and what is done to them."""
    if a.source == "encoder":
        yield "{layers} attend to the encoder's states"
        return
    if not a.causal:
        yield "in {layers} a token sees the whole text"
    elif a.window or a.chunk:
        sees = f"the last {a.window:,} tokens" if a.window else f"their chunk of {a.chunk:,} tokens"
        yield f"{{layers}} see {sees} only"
    elif a.select or a.block_sparse:
        sees = "blocks of the text" if not a.select else f"the best {a.select.top_k:,} tokens"
        yield f"{{layers}} see {sees} only"
    if a.heads != a.key_heads:
        yield f"in {{layers}} {a.heads // a.key_heads} query heads share a key-value head"
    yield from turns(a.rope)
    bias = {"ALiBi": a.alibi, "a learned bias for each distance": a.relative_bias}
    yield from (
        f"scores have {name} in place of rotary positions" for name, own in bias.items() if own
    )
    if not a.rope and not a.alibi and not a.relative_bias:
        yield "{layers} have no rotary positions"
    yield from (sentence for name, sentence in _SAID.items() if getattr(a, name))


_SAID = {
    "qkv_bias": "queries, keys and values have biases",
    "qk_norm": "queries and keys are normed",
    "clip_qkv": "queries, keys and values are clipped",
    "keys_as_values": "in {layers} keys are the values too",
    "shared_kv": "{layers} borrow the keys and values of an earlier one",
    "temperature": "in {layers} queries grow with their position",
    "softcap": "scores are capped",
    "sinks": "every head has a learned sink in its softmax",
    "gate": "what attention gives is gated",
}


def turns(rope: Rope | None) -> Iterator[str]:
    """How a rope differs from one that turns all of a head as it was trained."""
    if rope and rope.fraction != 1:
        yield f"in {{layers}} {rope.fraction:.4g} of a head turns"
    if rope and rope.scaling:
        yield f"in {{layers}} positions are {rope.scaling.caption()}"


def plain(a: Attention, facts: Facts, site: PlainSite) -> PlainClass:
    """The class of all that are like `a`."""
    own = _Attention(a, facts, site)
    return PlainClass(
        site.class_name,
        own.caption,
        facts,
        tuple(own.made),
        (*own.ready, *own.output),
        tuple(own.arguments),
        keeps=own.keeps,
        inner=(own.indexer,) if own.indexer else (),
    )


@dataclass(frozen=True)
class _Attention(PlainScores):
    """One class: what it is called with, and what it is made of."""

    @property
    def caption(self) -> str:
        """What it computes."""
        a, window = self.a, self.facts["window"]
        if (
            not window.varies
            and not self.facts["heads"].varies
            and not self.facts["head_dim"].varies
        ):
            return a.caption(self.site.hidden_size)
        scale = number(a.scale) if a.scale is not None else f"{self.facts['head_dim'].made}**-0.5"
        times_scale = "" if a.scale == 1 else f" · {scale}"
        lines = [f"softmax(q kᵀ{times_scale} over what is visible) v."]
        if window.varies:
            none = "; None sees everything before it" if None in window.values else ""
            lines.append(f"`window` tokens back, the token itself included{none}.")
        return "\n\n".join(lines)

    @property
    def arguments(self) -> Iterator[str]:
        """What it is called with after x."""
        a = self.a
        if not self.across:
            yield "positions"
        if self.keeps:
            yield "past"
        if self.across:
            yield "source"
        if a.takes() or a.gives() in self.site.shared:
            yield "shared"
        if a.relative_bias and a.relative_bias.shared:
            yield "relative"
        if a.prefix_lm:
            yield "prefix"

    @property
    def made(self) -> Iterator[str]:
        """The statements of its constructor."""
        a, site = self.a, self.site
        heads = self.facts["heads"].made
        keys = "" if a.shared_kv else self.facts["kv_heads"].made
        width, values = self.facts["head_dim"].made, self.values.made
        yield from self._stored
        yield linear("q_proj", site.width, times(heads, width), a.qkv_bias)
        if not a.shared_kv:
            yield linear("k_proj", site.width, times(keys, width), a.qkv_bias and a.key_bias)
            if not a.keys_as_values:
                yield linear("v_proj", site.width, times(keys, values), a.qkv_bias)
        yield linear("o_proj", times(heads, values), site.width, a.output_bias)
        yield from self._norms(heads, keys, width, values)
        if a.gate:
            out = times(heads, values) if a.gate.per == "element" else heads
            yield linear("gate_proj", site.width, out, a.gate.bias)
        if a.relative_bias and not a.relative_bias.shared:
            yield f"self.relative_bias = nn.Embedding({a.relative_bias.rows(a.causal)}, {a.heads})"
        if self.indexer:
            yield f"self.indexer = {self.indexer.name}()"
        if isinstance(a.temperature, LearnedTemperature):
            yield f"self.temperature_scale = nn.Parameter(torch.zeros({heads}))"
            yield f"self.temperature_bias = nn.Parameter(torch.ones({heads}))"
        if a.sinks:
            yield f"self.sinks = nn.Parameter(torch.zeros({heads}))"

    @property
    def _stored(self) -> Iterator[str]:
        names = [fact.name for fact in self.facts.varying if self._reads(fact)]
        for few in (names[i : i + 3] for i in range(0, len(names), 3)):
            yield f"{', '.join(f'self.{name}' for name in few)} = {', '.join(few)}"

    def _reads(self, fact: Fact) -> bool:
        return any(f"self.{fact.name}" in line for line in [*self.ready, *self.output])

    def _norms(self, heads: str, keys: str, width: str, values: str) -> Iterator[str]:
        a, site = self.a, self.site
        if norm := a.qk_norm:
            both = [("q_norm", heads), ("k_norm", keys)]
            for name, count in both[:1] if a.shared_kv else both:
                size = times(count, width) if norm.scope == "width" else width
                each = count if norm.scope == "each_head" and norm.weight else None
                yield f"self.{name} = {site.norm(norm, size, each)}"
        if a.v_norm:
            yield f"self.v_norm = {site.norm(a.v_norm, values)}"
