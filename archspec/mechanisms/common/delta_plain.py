"""Mixers by the delta rule in a plain file: their equations, token by token."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from archspec.codegen.plain.facts import Facts, number, times
from archspec.codegen.plain.site import PlainClass, PlainSite, linear, mixes, nothing, whole
from archspec.mechanisms.common.delta import DeltaMixer
from archspec.mechanisms.common.output_gate import FUNCTIONS

varies, alike, differs = nothing, whole, mixes


def delta_plain(
    m: DeltaMixer, facts: Facts, site: PlainSite, made: Sequence[str], decay: Sequence[str]
) -> PlainClass:
    """The class of one mixer; the caller says what its decay is made of, `log_decay`."""
    return PlainClass(
        site.class_name,
        m.caption(site.hidden_size),
        facts,
        tuple(_made(m, site, made)),
        (*_streams(m, site), *decay, *_rule(m, bool(decay), site), *_end(m, site)),
        ("positions", "past") if site.decodes else ("positions",),
        keeps=site.decodes,
    )


def rates(heads: int) -> str:
    """The statement that makes the logarithms of the rates of a decay."""
    return f"self.A_log = nn.Parameter(torch.linspace(1.5e-3, 2.3, {number(heads)}).log())"


def projection(name: str, inputs: str, outputs: str, rank: int | None, bias: bool) -> list[str]:
    """The statements that make a linear map, or two through `rank` numbers."""
    if rank is None:
        return [linear(f"{name}_proj", inputs, outputs, bias)]
    down = linear(f"{name}_a_proj", inputs, number(rank))
    return [down, linear(f"{name}_b_proj", number(rank), outputs, bias)]


def projected(name: str, rank: int | None) -> str:
    """The expression that applies it."""
    return f"self.{name}_proj(x)" if rank is None else f"self.{name}_b_proj(self.{name}_a_proj(x))"


def _made(m: DeltaMixer, site: PlainSite, decay: Sequence[str]) -> Iterator[str]:
    gate = m.output_gate
    sizes = {name: times(number(heads), number(width)) for name, (heads, width) in m.widths.items()}
    for name, size in sizes.items():
        yield linear(f"{name}_proj", site.width, size)
    if m.conv:
        for name, size in sizes.items():
            yield f"self.{name}_conv1d = ShortConv({size}, {m.conv})"
    yield linear("b_proj", site.width, number(m.memories))
    yield from decay
    if gate:
        yield from projection("g", site.width, sizes["v"], gate.rank, gate.bias)
    if m.output_norm:
        yield f"self.o_norm = {site.norm(m.output_norm, number(m.value_head_dim))}"
    yield linear("o_proj", sizes["v"], site.width)


def _streams(m: DeltaMixer, site: PlainSite) -> Iterator[str]:
    tails = ["q_past", "k_past", "v_past"] if m.conv else []
    if site.decodes and tails:
        yield f"{', '.join(tails)}, state = (None,) * 4 if past is None else past"
    for name, (heads, width) in m.widths.items():
        made = f"self.{name}_proj(x)"
        if m.conv:
            tail = f"{name}_past" if site.decodes else "None"
            last = f"{name}_past" if site.decodes else "_"
            yield f"{name}, {last} = self.{name}_conv1d({made}, positions, {tail})"
            made = name
        count = "H" if heads == m.memories else heads
        shape = f"(B, T, {count}, {'V' if name == 'v' else 'K'})"
        yield f"{name} = wide(F.silu({made})).unflatten(2, ({heads}, {width}))  # {shape}"
    scale = f"{m.key_head_dim}**-0.5"
    if m.l2_norm:
        yield f"q, k = unit(q) * {scale}, unit(k)"
    else:
        yield f"q = q * {scale}"
    group = m.memories // m.query_heads
    if group > 1:
        yield f"q, k = q.repeat_interleave({group}, dim=2), k.repeat_interleave({group}, dim=2)"


def _rule(m: DeltaMixer, decays: bool, site: PlainSite) -> Iterator[str]:
    double = "2 * " if m.allow_neg_eigval else ""
    yield f"beta = {double}wide(self.b_proj(x)).sigmoid()[..., None]  # (B, T, H, 1)"
    before = ("state" if m.conv else "past") if site.decodes else ""
    made = f"q.new_zeros(x.shape[0], {m.memories}, {m.key_head_dim}, {m.value_head_dim})"
    if before:
        made += f" if {before} is None else {before if m.conv else 'past[0]'}"
    yield f"S = {made}  # (B, H, K, V)"
    yield "y = []"
    yield "for t in range(x.shape[1]):"
    yield "    key = k[:, t, ..., None]  # (B, H, K, 1)"
    before = "S"
    if decays:
        yield "    new = log_decay[:, t, ..., None].exp() * S"
        before = "new"
    wrong = f"(v[:, t, :, None] - key.mT @ {before})"
    yield f"    new = {before} + key * beta[:, t, ..., None] * {wrong}"
    yield "    S = torch.where((positions[:, t] < NOWHERE)[:, None, None, None], new, S)"
    yield "    y.append((q[:, t, :, None] @ S)[:, :, 0])"


def _end(m: DeltaMixer, site: PlainSite) -> Iterator[str]:
    y = "torch.stack(y, dim=1).to(x.dtype)"
    y = f"self.o_norm({y})" if m.output_norm else y
    gate = m.output_gate
    yield f"y = {y}.flatten(2)  # (B, T, H · V)"
    if gate:
        yield f"y = y * {FUNCTIONS[gate.activation]}({projected('g', gate.rank)})"
    kept = "q_past, k_past, v_past, S" if m.conv else "S,"
    yield f"return self.o_proj(y), ({kept})" if site.decodes else "return self.o_proj(y)"
