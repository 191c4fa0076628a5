"""The token's own vector for each layer in a plain file."""

from __future__ import annotations

from collections.abc import Iterator

from archspec.codegen.environment import activated
from archspec.codegen.plain.facts import Facts, number
from archspec.codegen.plain.site import PlainClass, PlainSite, linear, nothing, whole
from archspec.mechanisms.embeddings.per_layer.spec import PerLayerEmbedding

varies, alike = nothing, whole


def differs(m: PerLayerEmbedding) -> Iterator[str]:
    """That there is one."""
    yield "{layers} read a vector of the token made for them alone"


def plain(m: PerLayerEmbedding, facts: Facts, site: PlainSite) -> PlainClass:
    """The class of all that are like `m`."""
    width = number(m.width)
    made = [linear("gate_proj", site.width, width), linear("up_proj", width, site.width)]
    made += [f"self.norm = {site.norm(m.norm, site.width)}"] if m.norm else []
    out = f"self.up_proj({activated('gate', m.activation)} * vector)"
    return PlainClass(
        site.class_name,
        m.caption(site.hidden_size),
        facts,
        tuple(made),
        ("gate = self.gate_proj(x)", f"return {f'self.norm({out})' if m.norm else out}"),
        ("vector",),
    )
