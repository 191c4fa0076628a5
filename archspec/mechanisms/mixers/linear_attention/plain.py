"""Linear attention in a plain file: its sums, token by token."""

from __future__ import annotations

from collections.abc import Iterator

from archspec.codegen.environment import activated
from archspec.codegen.plain.facts import Facts, number, times
from archspec.codegen.plain.rotations import literals
from archspec.codegen.plain.site import PlainClass, PlainSite, linear, mixes, nothing, whole
from archspec.mechanisms.common.output_gate import FUNCTIONS, OutputGate
from archspec.mechanisms.mixers.linear_attention.fields import (
    LearnedDecay,
    RetentionDecay,
    SlopesDecay,
)
from archspec.mechanisms.mixers.linear_attention.spec import LinearAttention

varies, alike, differs = nothing, whole, mixes


def plain(a: LinearAttention, facts: Facts, site: PlainSite) -> PlainClass:
    """The class of all that are like `a`."""
    return PlainClass(
        site.class_name,
        a.caption(site.hidden_size),
        facts,
        tuple(_made(a, site)),
        (*_heads(a, site), *_decay(a), *_sums(a, site.decodes), *_end(a, site.decodes)),
        ("positions", "past") if site.decodes else ("positions",),
        keeps=site.decodes,
        reads_depth=a.reads_depth(),
    )


def _made(a: LinearAttention, site: PlainSite) -> Iterator[str]:
    heads, width, values = number(a.heads), number(a.key_head_dim), number(a.value_width)
    for name, size in (("q", width), ("k", width), ("v", values)):
        yield linear(f"{name}_proj", site.width, times(heads, size), a.qkv_bias)
    yield linear("o_proj", times(heads, values), site.width, a.output_bias)
    if norm := a.qk_norm:
        size = times(heads, width) if norm.scope == "width" else width
        each = heads if norm.scope == "each_head" and norm.weight else None
        yield from (f"self.{name}_norm = {site.norm(norm, size, each)}" for name in "qk")
    if isinstance(a.decay, SlopesDecay) and a.decay.fall:
        yield f"self.factor = {a.decay.factor!r} - {a.decay.fall!r} * index  # of the slopes here"
    if isinstance(a.decay, LearnedDecay):
        out = times(heads, width) if a.decay.per == "channel" else heads
        yield from _map("decay", a.decay, site, out)
    if a.output_norm:
        parts = a.output_norm.parts(a.heads)
        whole = a.value_width if a.output_norm.scope == "head" else a.output_width
        each = number(parts) if parts and a.output_norm.weight else None
        yield f"self.o_norm = {site.norm(a.output_norm, number(whole // (parts or 1)), each)}"
    if a.gate:
        yield from _map("gate", a.gate, site, times(heads, values))


def _map(name: str, part: LearnedDecay | OutputGate, site: PlainSite, out: str) -> Iterator[str]:
    if part.rank is None:
        yield linear(f"{name}_proj", site.width, out, part.bias)
    else:
        yield linear(f"{name}_down", site.width, number(part.rank))
        yield linear(f"{name}_up", number(part.rank), out, part.bias)


def _mapped(name: str, part: LearnedDecay | OutputGate) -> str:
    return f"self.{name}_up(self.{name}_down(x))" if part.rank else f"self.{name}_proj(x)"


def _heads(a: LinearAttention, site: PlainSite) -> Iterator[str]:
    norm, wide = a.qk_norm, bool(a.qk_norm and a.qk_norm.scope == "width")
    for name, size in (("q", a.key_head_dim), ("k", a.key_head_dim), ("v", a.value_width)):
        yield f"{name} = self.{name}_proj(x)"
        if a.activation:
            yield f"{name} = {activated(name, a.activation)}"
        made = f"self.{name}_norm({name})" if wide and name != "v" else name
        shape = {"q": "  # (B, H, T, D)", "v": "  # (B, H, T, E)"}.get(name, "")
        yield f"{name} = {made}.unflatten(2, ({a.heads}, {size})).transpose(1, 2){shape}"
    normed = ["q, k = self.q_norm(q), self.k_norm(k)"] if norm and not wide else []
    turned: list[str] = []
    if a.rope:
        turned = [site.rotations[a.rope, a.key_head_dim].both(literals(a.rope))]
    after = bool(norm and norm.after_rope)
    yield from [*turned, *normed] if after else [*normed, *turned]
    yield "q, k, v = wide(q), wide(k), wide(v)"


def _decay(a: LinearAttention) -> Iterator[str]:
    """What is kept of the state, as `kept` that broadcasts over (B, H, T, D, E)."""
    decay = a.decay
    if decay is None:
        return
    if isinstance(decay, LearnedDecay):
        root = "" if decay.divisor == 1 else f" / {number(decay.divisor)}"
        yield f"kept = (F.logsigmoid(wide({_mapped('decay', decay)})){root}).exp()"
        if decay.per == "channel":
            yield f"kept = kept.unflatten(2, ({a.heads}, {a.key_head_dim}))"
            yield "kept = kept.transpose(1, 2)[..., None]  # (B, H, T, D, 1)"
        else:
            yield "kept = kept.transpose(1, 2)[..., None, None]  # (B, H, T, 1, 1)"
        return
    yield f"head = torch.arange({a.heads}, device=x.device)"
    if isinstance(decay, RetentionDecay):
        kept = f"1 - 2.0 ** (-{decay.first!r} - head)"
    else:
        slope = f"2.0 ** (-{decay.max_exponent / a.heads!r} * (head + 1))"
        factor = "" if decay.factor == 1 else f"{decay.factor!r} * "
        factor = "self.factor * " if decay.fall else factor
        kept = f"torch.exp(-{factor}{slope})"
    yield f"kept = ({kept})[:, None, None]  # of each head"


def _sums(a: LinearAttention, decodes: bool) -> Iterator[str]:
    made = f"q.new_zeros(x.shape[0], {a.heads}, {a.key_head_dim}, {a.value_width})"
    yield f"S = {made} if past is None else past[0]" if decodes else f"S = {made}"
    yield "y = []"
    yield "for t in range(x.shape[1]):"
    kept = ""
    if isinstance(a.decay, LearnedDecay):
        kept = "kept[:, :, t] * "
    elif a.decay:
        kept = "kept * "
    yield f"    new = {kept}S + k[:, :, t, :, None] * v[:, :, t, None]"
    yield "    S = torch.where((positions[:, t] < NOWHERE)[:, None, None, None], new, S)"
    yield "    y.append(q[:, :, t, None] @ S)"
    scale = f" * {a.key_head_dim}**-0.5" if a.scale is None else f" * {number(a.scale)}"
    scale = "" if a.read_scale == 1 else scale
    y = f"(torch.cat(y, dim=2){scale})" if scale else "torch.cat(y, dim=2)"
    yield f"y = {y}.to(x.dtype)  # (B, H, T, E)"


def _end(a: LinearAttention, decodes: bool) -> Iterator[str]:
    norm, joined = a.output_norm, "y.transpose(1, 2).flatten(2)"
    if norm is None:
        yield f"y = {joined}"
    elif norm.scope != "width":
        yield "y = self.o_norm(y)"
        yield f"y = {joined}"
    elif norm.groups:
        yield f"y = {joined}.unflatten(2, ({norm.groups}, -1)).transpose(1, 2)"
        yield "y = self.o_norm(y).transpose(1, 2).flatten(2)"
    else:
        yield f"y = self.o_norm({joined})"
    if a.gate:
        yield f"y = y * {FUNCTIONS[a.gate.activation]}({_mapped('gate', a.gate)})"
    yield "return self.o_proj(y), (S,)" if decodes else "return self.o_proj(y)"
