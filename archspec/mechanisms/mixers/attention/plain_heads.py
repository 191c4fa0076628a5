"""Queries, keys and values of attention in a plain file, up to where they meet."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from archspec.codegen.plain.facts import Fact, Facts, number
from archspec.codegen.plain.rotations import rope_facts
from archspec.codegen.plain.site import PlainClass, PlainSite
from archspec.mechanisms.common.selection.fields import TokenSelection
from archspec.mechanisms.common.selection.plain import indexer
from archspec.mechanisms.mixers.attention.fields import (
    ClippedTemperature,
    FloorTemperature,
    LearnedTemperature,
    PowerTemperature,
)
from archspec.mechanisms.mixers.attention.spec import Attention


@dataclass(frozen=True)
class PlainHeads:
    """The statements of one class from its input to heads that are ready."""

    a: Attention
    facts: Facts
    site: PlainSite

    @property
    def across(self) -> bool:
        """Whether keys are those of another text."""
        return self.a.source == "encoder"

    @property
    def keeps(self) -> bool:
        """Whether it keeps keys and values between calls."""
        return self.site.decodes and self.a.is_causal() and not self.a.shared_kv

    @property
    def values(self) -> Fact:
        """The width of a value head."""
        a = self.a
        return (
            Fact("value_dim", (a.value_head_dim,)) if a.value_head_dim else self.facts["head_dim"]
        )

    @property
    def indexer(self) -> PlainClass | None:
        """The class that chooses tokens, where they are chosen here."""
        select = self.a.select
        if not isinstance(select, TokenSelection):
            return None
        return indexer(select, self.site, None)

    @property
    def grouped(self) -> bool:
        return self.a.heads != self.a.key_heads

    @property
    def kept(self) -> list[str]:
        """What it keeps for each token."""
        return ["k", "v", "seen", *(["index"] if self.indexer else [])]

    @property
    def ready(self) -> Iterator[str]:
        """The statements up to there."""
        if self.across:
            yield from self._of_source
        else:
            yield from self._heads
            yield from self._past
            yield from self._sharing

    def _heads_of(self, name: str, source: str = "x") -> str:
        """The expression for q, k or v cut into heads."""
        a = self.a
        count = self.facts["heads" if name == "q" else "kv_heads"].used
        width = self.values if name == "v" else self.facts["head_dim"]
        made = f"self.{name}_proj({source})"
        if a.qk_norm and a.qk_norm.scope == "width" and name != "v":
            clip = f".clamp(-{a.clip_qkv!r}, {a.clip_qkv!r})" if a.clip_qkv is not None else ""
            made = f"self.{name}_norm({made}{clip})"
        return f"{made}.unflatten(2, ({count}, {width.used})).transpose(1, 2)"

    def _cut(self, name: str, shape: str) -> Iterator[str]:
        """The statements for it, two where one would be long."""
        made, note = self._heads_of(name), f"  # {shape}" if shape else ""
        first, cut, rest = made.partition(".unflatten")
        if len(made) + len(note) < 86:
            yield f"{name} = {made}{note}"
        else:
            yield f"{name} = {first}"
            yield f"{name} = {name}{cut}{rest}{note}"

    @property
    def _heads(self) -> Iterator[str]:
        a = self.a
        yield from self._cut("q", "(B, H, T, D)")
        if a.shared_kv:
            yield from self._stages(("q",))
            return
        yield from self._cut("k", "(B, K, T, D)" if self.grouped else "")
        yield from ["v = k"] if a.keys_as_values else self._cut("v", "")
        yield from self._stages(("q", "k", "v"))

    def _stages(self, names: tuple[str, ...]) -> Iterator[str]:
        """What q, k and v go through before they meet."""
        a, wide = self.a, bool(self.a.qk_norm and self.a.qk_norm.scope == "width")
        turned = tuple(name for name in names if name != "v")
        if a.clip_qkv is not None:
            clipped = [name for name in names if not wide or name == "v"]
            if clipped:
                each = ", ".join(
                    f"{name}.clamp(-{a.clip_qkv!r}, {a.clip_qkv!r})" for name in clipped
                )
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
        given = {name: self.facts[name].used for name in rope_facts(a.rope)}
        return [self.site.rotations[a.rope, a.head_dim].both(given, names)]

    @property
    def _temperature(self) -> Iterator[str]:
        own, place = self.a.temperature, "positions[:, None, :, None]"
        if isinstance(own, LearnedTemperature):
            yield f"growth = torch.log({place} + 1.0)"
            yield "growth = self.temperature_scale[:, None, None] * growth"
            yield "growth = growth + self.temperature_bias[:, None, None]  # (B, H, T, 1)"
        elif isinstance(own, PowerTemperature):
            # A power of where padding stands would be no number.
            yield "place = positions.where(positions < NOWHERE, 0)[:, None, :, None]"
            yield f"growth = (1 + (place + 1) / {number(own.original_context)}) ** {own.exponent!r}"
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
    def _past(self) -> Iterator[str]:
        if self.a.shared_kv:
            return
        if self.a.causal or self.a.relative_bias:
            yield "seen = positions[:, None]  # (B, 1, S), where the keys stand"
        if self.indexer:
            yield "index = self.indexer.keys(x, positions)  # (B, 1, S, D of an index)"
        if self.keeps:
            names = ", ".join(self.kept)
            yield "if past is not None:"
            pairs = f"zip(past, ({names}), strict=True)"
            yield f"    {names} = (torch.cat(pair, dim=2) for pair in {pairs})"

    @property
    def _sharing(self) -> Iterator[str]:
        a, name = self.a, self.facts["keys"].used
        if a.shared_kv:
            yield f"k, v, seen = shared[{name}]  # of an earlier layer"
        elif not a.select and a.gives() in self.site.shared:
            yield f"shared[{name}] = k, v, seen  # for later layers"

    @property
    def _of_source(self) -> Iterator[str]:
        """Keys and values of another text: made once, and kept."""
        yield from self._cut("q", "(B, H, T, D)")
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
