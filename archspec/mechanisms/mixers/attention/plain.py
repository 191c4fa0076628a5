"""Attention in a plain file: every key is kept, and a mask says which of them a query sees."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass

from archspec.codegen.plain.facts import Fact, Facts, Number, number, times
from archspec.codegen.plain.rotations import rope_facts, unbased
from archspec.codegen.plain.site import OUTSIDE, PlainClass, PlainSite, linear
from archspec.mechanisms.common.selection.fields import SharedSelection, TokenSelection
from archspec.mechanisms.common.selection.plain import indexer
from archspec.mechanisms.mixers.attention.fields import (
    GATES,
    ClippedTemperature,
    FloorTemperature,
    Gate,
    LearnedTemperature,
    PowerTemperature,
    RelativeBias,
)
from archspec.mechanisms.mixers.attention.scores import slopes
from archspec.mechanisms.mixers.attention.spec import Attention
from archspec.spec.rope import Rope

QUERY, KEY = "positions[:, None, :, None]", "seen[:, :, None]"


def varies(a: Attention, shared: Mapping[str, str]) -> Mapping[str, Number]:
    """Its heads, how far it sees, how it turns, and by which name it shares keys."""
    own = {} if a.shared_keys else {"kv_heads": a.key_heads}
    found = {"heads": a.heads, **own, "head_dim": a.head_dim, "window": a.window}
    return {**found, **rope_facts(a.rope), "keys": shared.get(a.takes() or a.gives() or "")}


def alike(a: Attention, shared: Mapping[str, str]) -> Hashable:
    """All but these, and how many query heads have a key where that stands in the code."""
    changes = {**OUTSIDE, "window": None, "rope": unbased(a.rope)}
    shares = (a.takes() or a.gives()) in shared
    if a.alibi or a.relative_bias or a.block_sparse or a.value_dim or a.select:
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
    yield from (f"scores have {name} in place of rotary positions" for name, own in bias.items() if own)
    if not a.rope and not a.alibi and not a.relative_bias:
        yield "{layers} have no rotary positions"
    yield from (sentence for name, sentence in _SAID.items() if getattr(a, name))


_SAID = {
    "qkv_bias": "queries, keys and values have biases",
    "qk_norm": "queries and keys are normed",
    "clip": "queries, keys and values are clipped",
    "keys_as_values": "in {layers} keys are the values too",
    "shared_keys": "{layers} borrow the keys and values of an earlier one",
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
        (*own.lines, *own.ends),
        tuple(own.arguments),
        keeps=own.keeps,
        inner=(own.indexer,) if own.indexer else (),
    )


@dataclass(frozen=True)
class _Attention:
    """The statements of one class, stage by stage."""

    a: Attention
    facts: Facts
    site: PlainSite

    @property
    def caption(self) -> str:
        """What it computes."""
        a, window = self.a, self.facts["window"]
        if not window.varies and not self.facts["heads"].varies and not self.facts["head_dim"].varies:
            return a.caption(self.site.hidden_size)
        scale = number(a.scale) if a.scale is not None else f"{self.facts['head_dim'].made}**-0.5"
        lines = [f"softmax(q kᵀ · {scale} over what is visible) v."]
        if window.varies:
            none = "; None sees everything before it" if None in window.values else ""
            lines.append(f"`window` tokens back, the token itself included{none}.")
        return "\n\n".join(lines)

    @property
    def across(self) -> bool:
        """Whether keys are those of another text."""
        return self.a.source == "encoder"

    @property
    def keeps(self) -> bool:
        """Whether it keeps keys and values between calls."""
        return self.site.decodes and self.a.is_causal() and not self.a.shared_keys

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
        if a.prefix:
            yield "prefix"

    @property
    def made(self) -> Iterator[str]:
        """The statements of its constructor."""
        a, site = self.a, self.site
        heads = self.facts["heads"].made
        keys = "" if a.shared_keys else self.facts["kv_heads"].made
        width, values = self.facts["head_dim"].made, self.values.made
        yield from self._stored
        yield linear("q_proj", site.width, times(heads, width), a.qkv_bias)
        if not a.shared_keys:
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
        if names:
            yield f"{', '.join(f'self.{name}' for name in names)} = {', '.join(names)}"

    def _reads(self, fact: Fact) -> bool:
        return any(f"self.{fact.name}" in line for line in [*self.lines, *self.ends])

    def _norms(self, heads: str, keys: str, width: str, values: str) -> Iterator[str]:
        a, site = self.a, self.site
        if norm := a.qk_norm:
            both = [("q_norm", heads), ("k_norm", keys)]
            for name, count in both[:1] if a.shared_keys else both:
                size = times(count, width) if norm.scope == "width" else width
                each = count if norm.scope == "each_head" and norm.weight else None
                yield f"self.{name} = {site.norm(norm, size, each)}"
        if a.v_norm:
            yield f"self.v_norm = {site.norm(a.v_norm, values)}"

    @property
    def values(self) -> Fact:
        """The width of a value head."""
        a = self.a
        return Fact("value_dim", (a.value_dim,)) if a.value_dim else self.facts["head_dim"]

    @property
    def indexer(self) -> PlainClass | None:
        """The class that chooses tokens, where they are chosen here."""
        select = self.a.select
        if not isinstance(select, TokenSelection):
            return None
        return indexer(select, self.site, None)

    @property
    def lines(self) -> list[str]:
        """From the input to scores that are ready to be taken: q, k, v and what is visible."""
        if self.across:
            return [*self._of_source]
        return [*self._heads, *self._past, *self._sharing, *self._mask]

    def _heads_of(self, name: str, source: str = "x") -> str:
        """The expression for q, k or v cut into heads."""
        a = self.a
        count = self.facts["heads" if name == "q" else "kv_heads"].used
        width = self.values if name == "v" else self.facts["head_dim"]
        made = f"self.{name}_proj({source})"
        if a.qk_norm and a.qk_norm.scope == "width" and name != "v":
            clip = f".clamp(-{a.clip!r}, {a.clip!r})" if a.clip is not None else ""
            made = f"self.{name}_norm({made}{clip})"
        return f"{made}.unflatten(2, ({count}, {width.used})).transpose(1, 2)"

    @property
    def _heads(self) -> Iterator[str]:
        a = self.a
        yield f"q = {self._heads_of('q')}  # (B, H, T, D)"
        if a.shared_keys:
            yield from self._stages(("q",))
            return
        yield f"k = {self._heads_of('k')}{'  # (B, K, T, D)' if self._grouped else ''}"
        yield "v = k" if a.keys_as_values else f"v = {self._heads_of('v')}"
        yield from self._stages(("q", "k", "v"))

    def _stages(self, names: tuple[str, ...]) -> Iterator[str]:
        """What q, k and v go through before they meet."""
        a, wide = self.a, bool(self.a.qk_norm and self.a.qk_norm.scope == "width")
        turned = tuple(name for name in names if name != "v")
        if a.clip is not None:
            clipped = [name for name in names if not wide or name == "v"]
            if clipped:
                each = ", ".join(f"{name}.clamp(-{a.clip!r}, {a.clip!r})" for name in clipped)
                yield f"{', '.join(clipped)} = {each}"
        if a.v_norm and "v" in names:
            yield "v = self.v_norm(v)"
        norm = [f"{name}" for name in turned] if a.qk_norm and not wide else []
        normed = f"{', '.join(norm)} = {', '.join(f'self.{name}_norm({name})' for name in norm)}"
        rotate = self._turn(turned)
        after = bool(a.qk_norm and a.qk_norm.after_rope)
        stages = [[normed] if norm else [], rotate]
        for stage in reversed(stages) if after else stages:
            yield from stage
        if a.temperature and "q" in names:
            yield from self._temperature

    def _turn(self, names: tuple[str, ...]) -> list[str]:
        a = self.a
        if a.rope is None or not names:
            return []
        given = {"base": self.facts["base"].used, "stretch": self.facts["stretch"].used}
        return [self.site.rotations[a.rope, a.head_dim].both(given, names)]

    @property
    def _temperature(self) -> Iterator[str]:
        own, place = self.a.temperature, "positions[:, None, :, None]"
        if isinstance(own, LearnedTemperature):
            yield f"growth = torch.log({place} + 1.0)"
            yield "growth = self.temperature_scale[:, None, None] * growth"
            yield "growth = growth + self.temperature_bias[:, None, None]  # (B, H, T, 1)"
        elif isinstance(own, PowerTemperature):
            yield f"growth = (1 + ({place} + 1) / {number(own.original_context)}) ** {own.exponent!r}"
        elif isinstance(own, ClippedTemperature):
            ratio = f"(({place} + 1) / {number(own.original_context)}).clamp(min=1.0)"
            yield f"growth = 1 + {own.scale!r} * torch.log({ratio})"
        elif isinstance(own, FloorTemperature):
            steps = f"(({place} + 1) // {number(own.floor)}).float()"
            yield f"growth = 1 + {own.scale!r} * torch.log1p({steps})"
        elif own is not None:
            steps = f"({place} // {number(own.original_context)}).float()"
            yield f"growth = 1 + {own.scale!r} * torch.log1p({steps})"
        yield "q = q * growth.to(q.dtype)"

    @property
    def kept(self) -> list[str]:
        """What it keeps for each token."""
        return ["k", "v", "seen", *(["index"] if self.indexer else [])]

    @property
    def _past(self) -> Iterator[str]:
        if self.a.shared_keys:
            return
        if self.a.causal or self.a.relative_bias:
            yield "seen = positions[:, None]  # (B, 1, S), where the keys stand"
        if self.indexer:
            yield "index = self.indexer.keys(x, positions)  # (B, 1, S, D of an index)"
        if self.keeps:
            names = ", ".join(self.kept)
            yield "if past is not None:"
            yield (
                f"    {names} = (torch.cat(pair, dim=2) for pair in zip(past, ({names}), strict=True))"
            )

    @property
    def _sharing(self) -> Iterator[str]:
        a, name = self.a, self.facts["keys"].used
        if a.shared_keys:
            yield f"k, v, seen = shared[{name}]  # of an earlier layer"
        elif not a.select and a.gives() in self.site.shared:
            yield f"shared[{name}] = k, v, seen  # for later layers"

    @property
    def _mask(self) -> Iterator[str]:
        """Which keys each query sees, as `visible`."""
        a, window = self.a, self.facts["window"]
        if isinstance(a.select, SharedSelection):
            yield f"(visible,) = shared[{self.facts['keys'].used}]  # of an earlier layer"
            return
        if a.causal or a.relative_bias:
            yield f"distance = {QUERY} - {KEY}  # (B, 1, T, S)"
        if not a.causal:
            yield "visible = (positions < NOWHERE)[:, None, None]  # (B, 1, 1, S)"
            return
        visible = "distance >= 0"
        if a.chunk:
            visible = f"({visible}) & ({QUERY} // {a.chunk} == {KEY} // {a.chunk})"
        elif window.given and not window.varies:
            visible = f"({visible}) & (distance < {window.used})"
        if a.block_sparse:
            yield from self._blocks
            visible = f"({visible}) & ({self._in_blocks})"
        yield f"visible = {visible}"
        if window.varies:
            inner = f"visible &= distance < {window.used}"
            if None in window.values:
                yield f"if {window.used} is not None:"
                inner = f"    {inner}"
            yield inner
        if a.prefix:
            yield f"visible |= ({QUERY} < prefix) & ({KEY} < prefix)  # both ways"
        if self.indexer:
            yield "visible = self.indexer(x, index, positions, visible)"
            if a.gives() in self.site.shared:
                yield f"shared[{self.facts['keys'].used}] = (visible,)  # for later layers"

    @property
    def _blocks(self) -> Iterator[str]:
        own = self.a.pattern
        assert own
        yield f"query, key = {QUERY} // {own.size}, {KEY} // {own.size}  # their blocks"
        if own.stride and own.shift:
            group = self.a.heads // self.a.key_heads
            spread = f".repeat_interleave({group})" if group > 1 else ""
            heads = f"torch.arange({self.a.key_heads}, device=x.device){spread}"
            yield f"head = {heads}[:, None, None]"

    @property
    def _in_blocks(self) -> str:
        own = self.a.pattern
        assert own
        found = [f"(query - key < {own.local})"]
        found += [f"(key < {own.first})"] if own.first else []
        if own.stride:
            shift = ("" if own.shift == 1 else f"{own.shift} * ") + "head"
            place = f"key + 1 + {shift}" if own.shift else "key + 1"
            found.append(f"(({place}) % {own.stride} == 0)")
        return " | ".join(found)

    @property
    def _of_source(self) -> Iterator[str]:
        """Keys and values of another text: made once, and kept."""
        yield f"q = {self._heads_of('q')}  # (B, H, T, D)"
        yield from self._stages(("q",))
        body = [f"k = {self._heads_of('k', 'states')}  # (B, K, S, D)"]
        body += [f"v = {self._heads_of('v', 'states')}"]
        body += self._stages(("k", "v"))
        if self.keeps:
            yield "if past is None:"
            yield "    assert source is not None"
            yield "    states, real = source"
            yield from (f"    {line}" for line in body)
            yield "else:"
            yield "    k, v, real = past"
        else:
            yield "assert source is not None"
            yield "states, real = source"
            yield from body
        yield "visible = real[:, None, None]  # (B, 1, 1, S)"

    @property
    def _scale(self) -> str:
        if self.a.scale is not None:
            return number(self.a.scale)
        return f"{self.facts['head_dim'].used}**-0.5"

    @property
    def ends(self) -> list[str]:
        """From scores to the output."""
        a = self.a
        found: list[str] = []
        if a.alibi:
            found.append(f"slopes = {slopes(a.alibi, a.heads, a.score_scale)}")
            found.append("bias = -slopes[:, None, None] * distance  # (B, H, T, S)")
        if a.relative_bias:
            found += self._relative(a.relative_bias)
        written = a.softcap is not None or a.sinks
        found += self._written_out if written else self._fused
        return [*found, *self._gated(a.gate)]

    def _relative(self, own: RelativeBias) -> Iterator[str]:
        a = self.a
        sides = 1 if a.causal else 2
        rows = own.rows(a.causal) // sides
        far = "distance.clamp(min=0)" if a.causal else "distance.abs()"
        if own.buckets:
            row = f"bucket({far}, {rows // 2}, {rows}, {own.max_distance})"
        else:
            row = f"{far}.clamp(max={rows - 1})"
        if not a.causal:
            row += f" + {rows} * (distance < 0)"
        table = "relative" if own.shared else "self.relative_bias"
        yield f"bias = {table}({row})[:, 0].permute(0, 3, 1, 2)  # (B, H, T, S)"

    @property
    def _biased(self) -> bool:
        return bool(self.a.alibi or self.a.relative_bias)

    @property
    def _grouped(self) -> bool:
        return self.a.heads != self.a.key_heads

    @property
    def _fused(self) -> Iterator[str]:
        mask = "visible"
        if self._biased:
            yield 'bias = bias.to(q.dtype).masked_fill(~visible, float("-inf"))'
            mask = "bias"
        gqa = ", enable_gqa=True" if self._grouped else ""
        yield f"y = F.scaled_dot_product_attention(q, k, v, {mask}, scale={self._scale}{gqa})"

    @property
    def _written_out(self) -> Iterator[str]:
        a, spread = self.a, ""
        if self._grouped:
            differs = any(fact.name in ("heads", "kv_heads") for fact in self.facts.varying)
            group = "q.shape[1] // k.shape[1]" if differs else number(a.heads // a.key_heads)
            spread = f".repeat_interleave({group}, dim=1)"
        yield f"scores = (q @ k{spread}.mT) * {self._scale}  # (B, H, T, S)"
        if a.softcap is not None:
            yield f"scores = {a.softcap!r} * torch.tanh(scores / {a.softcap!r})"
        if self._biased:
            yield "scores = scores + bias"
        yield 'scores = scores.masked_fill(~visible, float("-inf"))'
        if a.sinks:
            yield "sinks = self.sinks[:, None, None].expand(*scores.shape[:3], 1)"
            yield "weights = torch.cat((scores, sinks), dim=-1).softmax(dim=-1)[..., :-1]"
            yield f"y = weights @ v{spread}"
        else:
            yield f"y = scores.softmax(dim=-1) @ v{spread}"

    def _gated(self, gate: Gate | None) -> Iterator[str]:
        yield from gated(gate)
        kept = "k, v, real" if self.across else ", ".join(self.kept)
        yield f"return self.o_proj(y), ({kept})" if self.keeps else "return self.o_proj(y)"


def gated(gate: Gate | None) -> Iterator[str]:
    """The statements that join what heads give, `y` (B, H, T, D), and multiply it by a gate."""
    joined = "y = y.transpose(1, 2).flatten(2)"
    if gate is None:
        yield f"{joined}  # (B, T, H · D)"
        return
    opened = f"{GATES[gate.activation]}(self.gate_proj(x))"
    if gate.per == "element":
        yield f"{joined} * {opened}  # (B, T, H · D)"
    else:
        yield f"y = (y.transpose(1, 2) * {opened}[..., None]).flatten(2)  # (B, T, H · D)"
