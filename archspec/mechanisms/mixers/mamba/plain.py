"""Mamba in a plain file: its recurrence, token by token."""

from __future__ import annotations

from collections.abc import Iterator

from archspec.codegen.plain.facts import Facts, number
from archspec.codegen.plain.site import PlainClass, PlainSite, linear, mixes, nothing, whole
from archspec.mechanisms.mixers.mamba.spec import Mamba

varies, alike, differs = nothing, whole, mixes


def plain(m: Mamba, facts: Facts, site: PlainSite) -> PlainClass:
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


def _made(m: Mamba, site: PlainSite) -> Iterator[str]:
    inner, state, rank = number(m.inner_dim), number(m.state_dim), number(m.dt_rank)
    bias = ", bias=True" if m.conv_bias else ""
    yield linear("in_proj", site.width, f"2 * {inner}", m.input_bias)
    yield f"self.conv1d = ShortConv({inner}, {m.conv}{bias})"
    yield linear("x_proj", inner, f"{rank} + 2 * {state}")
    yield linear("dt_proj", rank, inner, bias=True)
    if m.inner_norm:
        for name, width in (("dt", rank), ("b", state), ("c", state)):
            yield f"self.{name}_norm = {site.norm(m.inner_norm, width)}"
    start = f"torch.arange(1.0, {m.state_dim + 1}).log().repeat({inner}, 1)"
    yield f"self.A_log = nn.Parameter({start})"
    if m.skip:
        yield f"self.D = nn.Parameter(torch.ones({inner}))"
    yield linear("out_proj", inner, site.width, m.output_bias)


def _lines(m: Mamba, decodes: bool) -> Iterator[str]:
    inner, state = number(m.inner_dim), number(m.state_dim)
    if decodes:
        yield "tail, state = (None, None) if past is None else past"
    yield f"u, z = self.in_proj(x).chunk(2, dim=-1)  # (B, T, {m.inner_dim}) each"
    tail = "tail" if decodes else "None"
    yield f"u, {'tail' if decodes else '_'} = self.conv1d(u, positions, {tail})"
    yield "u = F.silu(u)"
    yield f"dt, b, c = self.x_proj(u).split(({number(m.dt_rank)}, {state}, {state}), dim=-1)"
    if m.inner_norm:
        yield "dt, b, c = self.dt_norm(dt), self.b_norm(b), self.c_norm(c)"
    yield "u, z, b, c = wide(u), wide(z), wide(b), wide(c)"
    yield f"dt = F.softplus(wide(self.dt_proj(dt)))  # (B, T, {m.inner_dim})"
    yield f"rate = -wide(self.A_log).exp()  # ({m.inner_dim}, {m.state_dim})"
    made = f"u.new_zeros(x.shape[0], {inner}, {state})"
    yield f"S = {made} if state is None else state" if decodes else f"S = {made}"
    yield "y = []"
    yield "for t in range(x.shape[1]):"
    yield "    new = (dt[:, t, :, None] * rate).exp() * S"
    yield "    new = new + (dt[:, t] * u[:, t])[:, :, None] * b[:, t, None]"
    yield "    S = torch.where((positions[:, t] < NOWHERE)[:, None, None], new, S)"
    yield "    y.append((S @ c[:, t, :, None])[:, :, 0])"
    skip = " + self.D * u" if m.skip else ""
    yield f"y = torch.stack(y, dim=1){skip}"
    out = "self.out_proj((y * F.silu(z)).to(x.dtype))"
    yield f"return {out}, (tail, S)" if decodes else f"return {out}"
