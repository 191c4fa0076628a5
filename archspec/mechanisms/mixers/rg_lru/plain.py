"""RG-LRU in a plain file: its recurrence, token by token."""

from __future__ import annotations

from collections.abc import Iterator

from archspec.codegen.environment import activated
from archspec.codegen.plain.facts import Facts, number
from archspec.codegen.plain.site import PlainClass, PlainSite, linear, mixes, nothing, whole
from archspec.mechanisms.mixers.rg_lru.spec import RealGatedLRU

varies, alike, differs = nothing, whole, mixes


def plain(m: RealGatedLRU, facts: Facts, site: PlainSite) -> PlainClass:
    """The class of all that are like `m`."""
    return PlainClass(
        site.class_name,
        m.caption(site.hidden_size),
        facts,
        tuple(_made(m, site)),
        (*_lines(m, site.decodes),),
        ("positions", "past") if site.decodes else ("positions",),
        keeps=site.decodes,
    )


def _made(m: RealGatedLRU, site: PlainSite) -> Iterator[str]:
    inner, blocks, width = number(m.inner_dim), number(m.heads), number(m.block_dim)
    bias = ", bias=True" if m.conv_bias else ""
    yield linear("linear_x", site.width, inner, m.input_bias)
    yield f"self.conv_1d = ShortConv({inner}, {m.conv}{bias})"
    for gate in ("input_gate", "recurrent_gate"):
        weight = f"0.02 * torch.randn({blocks}, {width}, {width})"
        made = f'{{"weight": {weight}, "bias": torch.zeros({blocks}, {width})}}'
        yield f"self.{gate} = nn.ParameterDict({made})"
    yield f"self.recurrent_param = nn.Parameter(torch.linspace(0.9, 0.999, {inner}))"
    yield "with torch.no_grad():  # such that e^(−8 softplus Λ) lies between these"
    yield "    self.recurrent_param.log_().div_(-8).expm1_().log_()"
    yield linear("linear_y", site.width, inner, m.input_bias)
    yield linear("linear_out", inner, site.width, m.output_bias)


def _lines(m: RealGatedLRU, decodes: bool) -> Iterator[str]:
    inner, blocks = number(m.inner_dim), number(m.heads)
    if decodes:
        yield "tail, state = (None, None) if past is None else past"
    tail = "tail" if decodes else "None"
    yield f"u, {'tail' if decodes else '_'} = self.conv_1d(self.linear_x(x), positions, {tail})"
    yield f"parts = u.unflatten(-1, ({blocks}, -1))  # (B, T, {m.heads}, {m.block_dim})"
    for name, gate in (("i", "input_gate"), ("r", "recurrent_gate")):
        product = f'torch.einsum("bthi,hio->btho", parts, self.{gate}["weight"])'
        yield f'{name} = (({product} + self.{gate}["bias"]).flatten(2)).sigmoid()'
    yield f"a = -8 * wide(r) * F.softplus(wide(self.recurrent_param))  # (B, T, {m.inner_dim})"
    yield "a = a.exp()"
    yield "a = a.masked_fill(positions[:, :, None] == 0, 0.0)  # a text begins from nothing"
    yield "new = (1 - a * a).clamp(min=1e-12).sqrt() * wide(i * u)"
    made = f"new.new_zeros(x.shape[0], {inner})"
    yield f"h = {made} if state is None else state" if decodes else f"h = {made}"
    yield "rows = []"
    yield "for t in range(x.shape[1]):"
    yield "    real = (positions[:, t] < NOWHERE)[:, None]"
    yield "    h = torch.where(real, a[:, t] * h + new[:, t], h)"
    yield "    rows.append(h)"
    yield "y = self.linear_y(x)"
    yield f"y = {activated('y', m.activation)}"
    out = "self.linear_out(torch.stack(rows, dim=1).to(x.dtype) * y)"
    yield f"return {out}, (tail, h)" if decodes else f"return {out}"
