"""What the attention templates see: names decided, numbers worked out."""

from __future__ import annotations

from dataclasses import replace

from archspec.architecture.mask import View
from archspec.codegen.rotary import turn
from archspec.codegen.site import Site
from archspec.kernels.attention.files import KERNEL_FILES
from archspec.kernels.attention.gating import Gating
from archspec.kernels.attention.heads import SLAB
from archspec.kernels.attention.tiles import WIDEST
from archspec.kernels.attention.view import NARROW, KernelView
from archspec.mechanisms.common.selection.fields import TokenSelection
from archspec.mechanisms.common.selection.view import SELECT, selection_view
from archspec.mechanisms.mixers.attention.functions import ATTEND, WATCHED, Attend, Core, shared
from archspec.mechanisms.mixers.attention.members import members, starts
from archspec.mechanisms.mixers.attention.module import AttentionView
from archspec.mechanisms.mixers.attention.scores import relative, slopes, written
from archspec.mechanisms.mixers.attention.spec import Attention
from archspec.mechanisms.mixers.attention.stages import stages, temperature

__all__ = ["CACHES", "CHECKS", "FILE", "PURPOSE", "SHARED", "shared", "view"]

FILE = "attention.py"
PURPOSE = "the attention of each kind of layer"
SHARED = (ATTEND, *KERNEL_FILES, SELECT)
CACHES = {
    "KeyValueCache": "templates/caches/key_value.py.jinja",
    "RollingCache": "templates/caches/rolling.py.jinja",
    "SourceCache": "templates/caches/source.py.jinja",
    "IndexedKeyValueCache": "templates/caches/indexed_key_value.py.jinja",
}
CHECKS = (WATCHED,)

PLACE = "mechanisms/mixers/attention/templates/forward_{}.py.jinja"


def view(mechanism: Attention, site: Site) -> AttentionView:
    """Decide names and numbers for one attention."""
    a = mechanism
    turned = turn(a.rope, a.head_dim, site.rotaries)
    steps = tuple(stages(a, turned))
    across = a.source == "encoder"
    if turned:
        for heads in {a.heads} if a.shared_kv else {a.heads, a.key_heads}:
            site.turns(turned, heads, normed="norm_rotate" in steps)
    core = Core(a.sinks, a.softcap is not None, a.alibi is not None)
    gate = a.gate.per if a.gate and not a.select else None
    function = Attend(_kind(a), core, a.prefix_lm, gate)
    kernel = None if a.select else _kernel(a, function, site)
    keeps = site.decodes and a.is_causal() and not a.shared_kv
    cache = _cache(a) if keeps else None
    return AttentionView(
        class_name=site.class_name,
        caption=a.caption(site.hidden_size),
        hidden_size=site.hidden_size,
        heads=a.heads,
        kv_heads=a.key_heads,
        head_dim=a.head_dim,
        value_head_dim=a.value_width,
        qkv_bias=a.qkv_bias,
        key_bias=a.qkv_bias and a.key_bias,
        template=PLACE.format("source" if across else "own"),
        relative=relative(a),
        output_bias=a.output_bias,
        own_values=not a.keys_as_values and not a.shared_kv,
        takes=a.takes() if a.shared_kv else None,
        gives=a.gives() if a.gives() in site.taken and not a.select else None,
        clip_qkv=a.clip_qkv,
        width_norm=bool(a.qk_norm and a.qk_norm.scope == "width"),
        modules=tuple(members(a, site)),
        starts=starts(a),
        stages=steps,
        turn=turned,
        temperature=temperature(a),
        slopes=slopes(a.alibi, a.heads) if a.alibi else None,
        softcap=a.softcap,
        window=a.window,
        chunk=a.chunk,
        blocks=a.pattern,
        scale=written(a.score_scale, a.head_dim),
        factor=a.score_scale,
        distances=a.relative_bias.distances if a.relative_bias else None,
        activation=a.gate.activation if a.gate else None,
        selects=a.select is not None,
        caches=cache is not None,
        bounds=_bounds(a, site),
        select=selection_view(a.select, site, "heads"),
        only=("q",) if a.shared_kv else ("q", "k", "v"),
        cache=cache,
        kept_of="source_length" if across else "max_length",
        function=function,
        kernel=kernel,
    )


def _kernel(a: Attention, function: Attend, site: Site) -> KernelView | None:
    if max(a.head_dim, a.value_width) > WIDEST:
        return None
    gate = _gating(a)
    reach = a.window or a.chunk or (a.pattern.reach if a.pattern else None)
    return KernelView(
        kind=(function if gate else replace(function, gate=None)).in_kernels,
        head_dim=a.head_dim,
        value_dim=a.value_width,
        causal=function.causal,
        window=a.window is not None,
        chunk=a.chunk is not None,
        softcap=a.softcap is not None,
        sinks=a.sinks,
        slopes=a.alibi is not None,
        relative=a.relative_bias is not None,
        gate=gate,
        prefix=a.prefix_lm,
        narrow=reach is not None and reach <= NARROW,
        decodes=site.decodes and a.is_causal(),
        blocks=a.pattern is not None,
        group=a.heads // a.key_heads,
        block=a.pattern.size & -a.pattern.size if a.pattern else 1 << 20,
    )


def _bounds(a: Attention, site: Site) -> str:
    if a.source == "encoder":
        return "step.source_bounds"
    if not a.causal:
        return "step.bounds"
    return "step.spans" if a.prefix_lm or site.packs else "None"


def _gating(a: Attention) -> Gating | None:
    """The gate that kernels compute: none where programs share the columns of an output."""
    if a.gate is None or max(a.head_dim, a.value_width) > SLAB:
        return None
    return Gating(a.gate.per)


_KINDS: dict[View, str] = {
    "source": "source",
    "both_ways": "bidirectional",
    "sliding": "sliding",
    "chunked": "chunked",
    "best": "causal",
    "blocks": "block_sparse",
    "earlier": "causal",
}


def _kind(a: Attention) -> str:
    if a.relative_bias:
        return "relative" if a.causal else "relative_both"
    return _KINDS[a.mask().view]


def _cache(a: Attention) -> str:
    if a.source == "encoder":
        return "SourceCache"
    if isinstance(a.select, TokenSelection):
        return "IndexedKeyValueCache"
    return "RollingCache" if a.mask().reach else "KeyValueCache"
