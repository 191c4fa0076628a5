"""The modules of an attention beside its projections, and the expressions that make them."""

from __future__ import annotations

from archspec.codegen.site import Site, Submodule
from archspec.mechanisms.mixers.attention.parts import LearnedTemperature
from archspec.mechanisms.mixers.attention.spec import Attention
from archspec.mechanisms.mixers.selection.parts import TokenSelection
from archspec.mechanisms.mixers.selection.view import indexer_name


def submodules(a: Attention, site: Site) -> list[Submodule]:
    """In the order in which the class makes them."""
    found = _norms(a, site)
    if a.gate:
        width = product(a.heads, a.value_width) if a.gate.per == "element" else str(a.heads)
        linear = f"nn.Linear({site.hidden_size}, {width}, bias={a.gate.bias})"
        found.append(Submodule("gate_proj", linear))
    if a.relative_bias and not a.relative_bias.shared:
        rows = a.relative_bias.rows(a.causal)
        found.append(Submodule("relative_bias", f"nn.Embedding({rows}, {a.heads})"))
    if isinstance(a.select, TokenSelection):
        found.append(Submodule("indexer", f"{indexer_name(site.class_name)}()"))
    if isinstance(a.temperature, LearnedTemperature):
        for name, made in (("scale", "zeros"), ("bias", "ones")):
            constructor = f"nn.Parameter(torch.{made}({a.heads}))"
            found.append(Submodule(f"temperature_{name}", constructor))
    if a.sinks:
        found.append(Submodule("sinks", f"nn.Parameter(torch.zeros({a.heads}))"))
    return found


def _norms(a: Attention, site: Site) -> list[Submodule]:
    found: list[Submodule] = []
    if a.qk_norm:
        both = [("q_norm", a.heads), ("k_norm", a.key_heads)]
        for name, heads in both[:1] if a.shared_keys else both:
            width = heads * a.head_dim if a.qk_norm.scope == "width" else a.head_dim
            each = heads if a.qk_norm.scope == "each_head" and a.qk_norm.weight else None
            found.append(Submodule(name, site.norm(a.qk_norm, width, each)))
    if a.v_norm:
        found.append(Submodule("v_norm", site.norm(a.v_norm, a.value_width)))
    return found


def product(count: int, width: int) -> str:
    """The width of several heads as people write it."""
    return f"{count} * {width}" if count > 1 else f"{width}"
