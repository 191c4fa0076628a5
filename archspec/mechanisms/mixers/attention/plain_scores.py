"""Scores of attention in a plain file: which keys are seen, and what joins the softmax."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from archspec.codegen.plain.facts import number
from archspec.mechanisms.common.selection.fields import SharedSelection
from archspec.mechanisms.mixers.attention.fields import GATES, Gate, RelativeBias
from archspec.mechanisms.mixers.attention.plain_heads import PlainHeads
from archspec.mechanisms.mixers.attention.scores import slopes

QUERY, KEY = "positions[:, None, :, None]", "seen[:, :, None]"


@dataclass(frozen=True)
class PlainScores(PlainHeads):
    """The statements from heads to the output."""

    @property
    def output(self) -> list[str]:
        """The statements."""
        a = self.a
        found = ["visible = real[:, None, None]  # (B, 1, 1, S)"] if self.across else [*self._mask]
        if a.alibi:
            found.append(f"slopes = {slopes(a.alibi, a.heads, self._scale)}")
            found.append("bias = -slopes[:, None, None] * distance  # (B, H, T, S)")
        if a.relative_bias:
            found += self._relative(a.relative_bias)
        written = a.softcap is not None or a.sinks
        found += self._written_out if written else self._fused
        return [*found, *self._gated(a.gate)]

    @property
    def _mask(self) -> Iterator[str]:
        """Which keys each query sees, as `visible`."""
        a, window = self.a, self.facts["window"]
        if isinstance(a.select, SharedSelection):
            yield f"(visible,) = shared[{self.facts['keys'].used}]  # of an earlier layer"
            return
        if self._measures:
            yield f"distance = {QUERY} - {KEY}  # (B, 1, T, S)"
        if not a.causal:
            yield "visible = (positions < NOWHERE)[:, None, None]  # (B, 1, 1, S)"
            return
        visible = "distance >= 0" if self._measures else f"{QUERY} >= {KEY}"
        if a.chunk:
            visible = f"({visible}) & ({QUERY} // {a.chunk} == {KEY} // {a.chunk})"
        elif window.given and not window.varies:
            visible = f"({visible}) & (distance < {window.used})"
        if a.block_sparse:
            yield from self._blocks
            visible = f"({visible}) & ({self._in_blocks})"
        yield f"visible = {visible}{'' if self._measures else '  # (B, 1, T, S)'}"
        if window.varies:
            inner = f"visible &= distance < {window.used}"
            if None in window.values:
                yield f"if {window.used} is not None:"
                inner = f"    {inner}"
            yield inner
        if a.prefix_lm:
            yield f"visible |= ({QUERY} < prefix) & ({KEY} < prefix)  # both ways"
        if self.indexer:
            yield "visible = self.indexer(x, index, positions, visible)"
            if a.gives() in self.site.shared:
                yield f"shared[{self.facts['keys'].used}] = (visible,)  # for later layers"

    @property
    def _measures(self) -> bool:
        """Whether anything follows from how far apart two tokens are."""
        return bool(self.facts["window"].given or self.a.alibi or self.a.relative_bias)

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
    def _scale(self) -> str:
        if self.a.scale is not None:
            return number(self.a.scale)
        return f"{self.facts['head_dim'].used}**-0.5"

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
    def _fused(self) -> Iterator[str]:
        mask = "visible"
        if self._biased:
            yield 'bias = bias.to(q.dtype).masked_fill(~visible, float("-inf"))'
            mask = "bias"
        gqa = ", enable_gqa=True" if self.grouped else ""
        yield f"y = F.scaled_dot_product_attention(q, k, v, {mask}, scale={self._scale}{gqa})"

    @property
    def _written_out(self) -> Iterator[str]:
        a, spread = self.a, ""
        if self.grouped:
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
