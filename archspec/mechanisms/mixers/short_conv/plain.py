"""The gated short convolution in a plain file."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import Any

from archspec.codegen.plain.facts import Facts, Number, number
from archspec.codegen.plain.site import PlainClass, PlainSite, linear
from archspec.mechanisms.mixers.short_conv.spec import ShortConvolution

FACTS: Mapping[str, Callable[[Any], Number]] = {
    "channels": lambda m: m.channels,
    "conv": lambda m: m.conv,
}


def alike(m: ShortConvolution) -> Hashable:
    """All but its sizes."""
    return m.bias


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
        ("positions", "past") if site.decodes else ("positions",),
        keeps=site.decodes,
        more={"width": number(m.channels) if not facts["channels"].varies else "channels"},
    )
