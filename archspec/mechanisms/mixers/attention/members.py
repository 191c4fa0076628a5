"""The modules of an attention beside its projections, and the expressions that make them."""

from __future__ import annotations

from archspec.codegen.members import Member, product
from archspec.codegen.site import Site
from archspec.mechanisms.mixers.attention.parts import LearnedTemperature
from archspec.mechanisms.mixers.attention.spec import Attention
from archspec.mechanisms.mixers.selection.parts import TokenSelection
from archspec.mechanisms.mixers.selection.view import indexer_name


def members(a: Attention, site: Site) -> list[Member]:
    """In the order in which the class makes them."""
    found = _norms(a, site)
    if a.gate:
        width = product(a.heads, a.value_width) if a.gate.per == "element" else str(a.heads)
        linear = f"nn.Linear({site.hidden_size}, {width}, bias={a.gate.bias})"
        found.append(Member("gate_proj", linear))
    if a.relative_bias and not a.relative_bias.shared:
        rows = a.relative_bias.rows(a.causal)
        found.append(Member("relative_bias", f"nn.Embedding({rows}, {a.heads})"))
    if isinstance(a.select, TokenSelection):
        found.append(Member("indexer", f"{indexer_name(site.class_name)}()"))
    if isinstance(a.temperature, LearnedTemperature):
        for name, made in (("scale", "zeros"), ("bias", "ones")):
            constructor = f"nn.Parameter(torch.{made}({a.heads}))"
            found.append(Member(f"temperature_{name}", constructor))
    if a.sinks:
        found.append(Member("sinks", f"nn.Parameter(torch.zeros({a.heads}))"))
    return found


def _norms(a: Attention, site: Site) -> list[Member]:
    found: list[Member] = []
    if a.qk_norm:
        both = [("q_norm", a.heads), ("k_norm", a.key_heads)]
        for name, heads in both[:1] if a.shared_keys else both:
            width = heads * a.head_dim if a.qk_norm.scope == "width" else a.head_dim
            each = heads if a.qk_norm.scope == "each_head" and a.qk_norm.weight else None
            found.append(Member(name, site.norm(a.qk_norm, width, each)))
    if a.v_norm:
        found.append(Member("v_norm", site.norm(a.v_norm, a.value_width)))
    return found
