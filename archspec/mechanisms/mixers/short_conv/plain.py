"""The gated short convolution in a plain file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from archspec.codegen.plain.facts import Facts, Number
from archspec.codegen.plain.site import OUTSIDE, PlainClass, PlainSite, linear, mixes
from archspec.mechanisms.mixers.short_conv.spec import ShortConvolution


def varies(m: ShortConvolution, shared: Mapping[str, str]) -> Mapping[str, Number]:
    """Its sizes."""
    return {"channels": m.channels, "conv": m.conv}


def alike(m: ShortConvolution, shared: Mapping[str, str]) -> object:
    """All but these."""
    return m.model_copy(update={**OUTSIDE, "channels": 1, "conv": 2})


differs = mixes


def plain(m: ShortConvolution, facts: Facts, site: PlainSite) -> PlainClass:
    """The class of all that are like `m`."""
    channels, bias = facts["channels"].made, ", bias=True" if m.bias else ""
    return PlainClass(
        site.class_name,
        m.caption(site.hidden_size),
        facts,
        (
            linear("in_proj", site.width, f"3 * {channels}", m.bias),
            f"self.conv = ShortConv({channels}, {facts['conv'].made}{bias})",
            linear("out_proj", channels, site.width, m.bias),
        ),
        tuple(_lines(site.decodes)),
        ("positions", "past") if site.decodes else ("positions",),
        keeps=site.decodes,
    )


def _lines(decodes: bool) -> Iterator[str]:
    yield "before, after, x = self.in_proj(x).chunk(3, dim=-1)"
    past = "None if past is None else past[0]" if decodes else "None"
    yield f"y, {'last' if decodes else '_'} = self.conv(before * x, positions, {past})"
    y = "self.out_proj(after * y)"
    yield f"return {y}, (last,)" if decodes else f"return {y}"
