"""The modules of an attention beside its projections, and the expressions that make them."""

from __future__ import annotations

from archspec.codegen.members import Member, product, start
from archspec.codegen.site import Site
from archspec.mechanisms.common.selection.fields import TokenSelection
from archspec.mechanisms.common.selection.view import indexer_name
from archspec.mechanisms.mixers.attention.fields import LearnedTemperature
from archspec.mechanisms.mixers.attention.spec import Attention


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
        found += [_own("temperature_scale", a), _own("temperature_bias", a)]
    return found + ([_own("sinks", a)] if a.sinks else [])


def starts(a: Attention) -> tuple[str, ...]:
    """The statements that write what its own tensors start as."""
    learned = isinstance(a.temperature, LearnedTemperature)
    found = [start("temperature_scale", 0), start("temperature_bias", 1)] if learned else []
    return (*found, *([start("sinks", 0)] if a.sinks else []))


def _own(name: str, a: Attention) -> Member:
    return Member(name, f"nn.Parameter(torch.empty({a.heads}))")


def _norms(a: Attention, site: Site) -> list[Member]:
    found: list[Member] = []
    if a.qk_norm:
        both = [("q_norm", a.heads), ("k_norm", a.key_heads)]
        for name, heads in both[:1] if a.shared_kv else both:
            width = heads * a.head_dim if a.qk_norm.scope == "width" else a.head_dim
            each = heads if a.qk_norm.scope == "each_head" and a.qk_norm.weight else None
            found.append(Member(name, site.norm(a.qk_norm, width, each)))
    if a.v_norm:
        found.append(Member("v_norm", site.norm(a.v_norm, a.value_width)))
    return found
