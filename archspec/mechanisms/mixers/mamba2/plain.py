"""Mamba-2 in a plain file: its recurrence, token by token."""

from __future__ import annotations

from collections.abc import Iterator

from archspec.codegen.plain.facts import Facts, number
from archspec.codegen.plain.site import PlainClass, PlainSite, linear, mixes, nothing, whole
from archspec.mechanisms.mixers.mamba2.fields import PartScales
from archspec.mechanisms.mixers.mamba2.spec import Mamba2

varies, alike, differs = nothing, whole, mixes


def plain(m: Mamba2, facts: Facts, site: PlainSite) -> PlainClass:
    """The class of all that are like `m`."""
    return PlainClass(
        site.class_name,
        m.caption(site.hidden_size),
        facts,
        tuple(_made(m, site)),
        tuple(_lines(m, site.decodes)),
        ("positions", "past") if site.decodes else ("positions",),
        keeps=site.decodes,
        inner=tuple(_norm_class(m, site)),
    )


def _norm_name(site: PlainSite) -> str:
    return site.class_name.replace("Mamba2", "GroupedRMSNorm")


def _norm_class(m: Mamba2, site: PlainSite) -> Iterator[PlainClass]:
    """The class of the norm over each group of heads, where there is one."""
    norm = m.norm
    if norm is None:
        return
    scale = "(1 + w)" if norm.zero_centered else "w"
    width = m.inner // m.groups
    parts = f", over {m.groups} parts of {width:,} numbers" if m.groups > 1 else ""
    start = "zeros" if norm.zero_centered else "ones"
    made = (f"self.weight = nn.Parameter(torch.{start}({number(m.inner)}))",) if norm.weight else ()
    y = f"F.rms_norm(x, ({number(width)},), eps={number(norm.eps)})"
    if m.groups > 1:
        y = y.replace("(x,", f"(x.unflatten(2, ({m.groups}, {number(width)})),") + ".flatten(2)"
    weight = "(1 + self.weight)" if norm.zero_centered else "self.weight"
    yield PlainClass(
        _norm_name(site),
        f"x / sqrt(mean x² + {number(norm.eps)}){' · ' + scale if norm.weight else ''}{parts}.",
        Facts(),
        made,
        (f"return {y} * {weight}" if norm.weight else f"return {y}",),
    )


def _made(m: Mamba2, site: PlainSite) -> Iterator[str]:
    inner, heads, channels = number(m.inner), number(m.heads), number(m.channels)
    bias = ", bias=True" if m.conv_bias else ""
    yield linear("in_proj", site.width, f"{inner} + {channels} + {heads}", m.input_bias)
    yield f"self.conv1d = ShortConv({channels}, {m.conv}{bias})"
    yield f"self.dt_bias = nn.Parameter(torch.logspace(-3, -1, {heads}).expm1().log())"
    yield f"self.A_log = nn.Parameter(torch.arange(1.0, {m.heads + 1}).log())"
    if m.skip:
        yield f"self.D = nn.Parameter(torch.ones({heads}))"
    if m.norm:
        yield f"self.norm = {_norm_name(site)}()"
    yield linear("out_proj", inner, site.width, m.output_bias)


def _lines(m: Mamba2, decodes: bool) -> Iterator[str]:
    scales = m.part_scales or PartScales()
    if decodes:
        yield "tail, state = (None, None) if past is None else past"
    inner, heads, vectors = number(m.inner), number(m.heads), number(m.groups * m.state_dim)
    yield f"z, u, dt = self.in_proj(x).split(({inner}, {number(m.channels)}, {heads}), dim=-1)"
    if set(scales.convolved) != {1.0}:
        yield f"u, b, c = u.split(({inner}, {vectors}, {vectors}), dim=-1)"
        parts = [
            f"{number(factor)} * {name}" if factor != 1 else name
            for name, factor in zip("ubc", scales.convolved, strict=True)
        ]
        yield f"u = torch.cat(({', '.join(parts)}), dim=-1)"
    tail = "tail" if decodes else "None"
    yield f"u, {'tail' if decodes else '_'} = self.conv1d(u, positions, {tail})"
    yield f"u, b, c = wide(F.silu(u)).split(({inner}, {vectors}, {vectors}), dim=-1)"
    yield f"u = u.unflatten(2, ({m.heads}, {m.head_dim}))  # (B, T, H, P)"
    share = m.heads // m.groups
    for name in "bc":
        spread = f".repeat_interleave({share}, dim=2)" if share > 1 else ""
        shape = "  # (B, T, H, N)" if name == "b" else ""
        yield f"{name} = {name}.unflatten(2, ({m.groups}, {m.state_dim})){spread}{shape}"
    bounds = [f"min={m.dt_min!r}"] if m.dt_min else []
    bounds += [f"max={m.dt_max!r}"] if m.dt_max is not None else []
    clamp = f".clamp({', '.join(bounds)})" if bounds else ""
    dt = "wide(dt)" if scales.dt == 1 else f"{number(scales.dt)} * wide(dt)"
    yield f"dt = F.softplus({dt} + self.dt_bias){clamp}  # (B, T, H)"
    yield "decay = (-dt * wide(self.A_log).exp()).exp()"
    made = f"u.new_zeros(x.shape[0], {m.heads}, {m.head_dim}, {m.state_dim})"
    yield f"S = {made} if state is None else state" if decodes else f"S = {made}"
    yield "y = []"
    yield "for t in range(x.shape[1]):"
    written = "(dt[:, t, :, None] * u[:, t])[..., None] * b[:, t, :, None]"
    yield f"    written = {written}  # (B, H, P, N)"
    yield "    new = decay[:, t, :, None, None] * S + written"
    yield "    S = torch.where((positions[:, t] < NOWHERE)[:, None, None, None], new, S)"
    yield "    y.append((S @ c[:, t, :, :, None])[..., 0])"
    skip = " + self.D[:, None] * u" if m.skip else ""
    yield f"y = (torch.stack(y, dim=1){skip}).flatten(2)  # (B, T, {m.inner})"
    z = "wide(z)" if scales.gate == 1 else f"{number(scales.gate)} * wide(z)"
    yield from _gated(m, f"F.silu({z})")
    out = "self.out_proj(y.to(x.dtype))"
    yield f"return {out}, (tail, S)" if decodes else f"return {out}"


def _gated(m: Mamba2, gate: str) -> Iterator[str]:
    norm = m.norm
    if norm is None:
        yield f"y = y * {gate}"
        return
    yield f"y = self.norm(y) * {gate}" if norm.before_gate else f"y = self.norm(y * {gate})"
