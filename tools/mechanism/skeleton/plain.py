"""The leaky integrator in a plain file: its recurrence, token by token."""

from __future__ import annotations

from collections.abc import Iterator

from archspec.mechanisms.mixers.leaky_integrator.spec import LeakyIntegrator

from archspec.codegen.plain.facts import Facts, number
from archspec.codegen.plain.site import PlainClass, PlainSite, linear, mixes, nothing, whole

varies, alike, differs = nothing, whole, mixes


def plain(m: LeakyIntegrator, facts: Facts, site: PlainSite) -> PlainClass:
    """The class of all that are like `m`."""
    inner = number(m.inner_dim)
    return PlainClass(
        site.class_name,
        m.caption(site.hidden_size),
        facts,
        (
            linear("in_proj", site.width, inner, m.bias),
            f"self.pace = nn.Parameter(torch.linspace(0.0, 4.0, {inner}))",
            linear("out_proj", inner, site.width, m.bias),
        ),
        (*_lines(m, site.decodes),),
        ("positions", "past") if site.decodes else ("positions",),
        keeps=site.decodes,
    )


def _lines(m: LeakyIntegrator, decodes: bool) -> Iterator[str]:
    yield f"u = wide(self.in_proj(x))  # (B, T, {m.inner_dim})"
    yield "kept = wide(self.pace).sigmoid()"
    made = f"u.new_zeros(x.shape[0], {number(m.inner_dim)})"
    yield f"h = {made} if past is None else past" if decodes else f"h = {made}"
    yield "rows = []"
    yield "for t in range(x.shape[1]):"
    yield "    real = (positions[:, t] < NOWHERE)[:, None]"
    yield "    h = torch.where(real, kept * h + (1 - kept) * u[:, t], h)"
    yield "    rows.append(h)"
    out = "self.out_proj(torch.stack(rows, dim=1).to(x.dtype))"
    yield f"return {out}, h" if decodes else f"return {out}"
