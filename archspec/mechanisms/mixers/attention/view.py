"""What the attention templates see: names decided, numbers worked out."""

from __future__ import annotations

from archspec.codegen.rotary import turn
from archspec.codegen.site import Check, Site
from archspec.kernels.attention.files import KERNEL_FILES
from archspec.kernels.attention.gating import Gating
from archspec.kernels.attention.heads import SLAB
from archspec.kernels.attention.tiles import WIDEST
from archspec.kernels.attention.view import KernelView
from archspec.mechanisms.common.selection.fields import TokenSelection
from archspec.mechanisms.common.selection.view import SELECT, selection_view
from archspec.mechanisms.mixers.attention.check import check_context
from archspec.mechanisms.mixers.attention.finish import Finish
from archspec.mechanisms.mixers.attention.functions import ATTEND, Attend, Core, places, shared
from archspec.mechanisms.mixers.attention.members import members, starts
from archspec.mechanisms.mixers.attention.module import AttentionView
from archspec.mechanisms.mixers.attention.scores import relative, slopes
from archspec.mechanisms.mixers.attention.spec import Attention
from archspec.mechanisms.mixers.attention.stages import stages, temperature

__all__ = ["CACHES", "CHECK", "FILE", "PURPOSE", "SHARED", "shared", "view"]

FILE = "attention.py"
PURPOSE = "the attention of each kind of layer"
SHARED = (ATTEND, *KERNEL_FILES, SELECT)
CACHES = {
    "KeyValueCache": "templates/caches/key_value.py.jinja",
    "RollingCache": "templates/caches/rolling.py.jinja",
    "SourceCache": "templates/caches/source.py.jinja",
    "IndexedKeyValueCache": "templates/caches/indexed_key_value.py.jinja",
}
CHECK = Check(
    "Attention is compared with its definition in float64.",
    label="attention",
    function="check_attention",
    imports="from . import attend\nfrom .kernels import use_kernels",
    context=check_context,
)

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
    function = Attend(_kind(a), core)
    kernel = None if a.select else _kernel(a, function, site)
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
        prefix_lm=a.prefix_lm,
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
        slopes=slopes(a.alibi, a.heads, a.score_scale) if a.alibi else None,
        sinks=a.sinks,
        softcap=a.softcap,
        causal=a.causal and not across,
        window=a.window,
        chunk=a.chunk,
        blocks=a.pattern,
        scale=a.score_scale,
        places=_places(a, site),
        bounds=_bounds(a, site),
        finish=Finish(a.gate, in_kernels=bool(kernel and kernel.gate)),
        select=selection_view(a.select, site, "heads"),
        only=("q",) if a.shared_kv else ("q", "k", "v"),
        cache=_cache(a) if site.decodes and a.is_causal() and not a.shared_kv else None,
        kept_of="source_length" if across else "max_length",
        function=function,
        kernel=kernel,
    )


def _kernel(a: Attention, function: Attend, site: Site) -> KernelView | None:
    if max(a.head_dim, a.value_width) > WIDEST:
        return None
    kind = function.name.removeprefix("attend_")
    if a.relative_bias:
        kind = f"{'causal' if a.causal else 'bidirectional'}_relative"
    return KernelView(
        kind=kind,
        heads=a.heads,
        kv_heads=a.key_heads,
        head_dim=a.head_dim,
        value_dim=a.value_width,
        causal=a.causal and a.source == "self",
        window=a.window,
        chunk=a.chunk,
        scale=a.score_scale,
        softcap=a.softcap,
        sinks=a.sinks,
        slopes=a.alibi is not None,
        relative=a.relative_bias.distances if a.relative_bias else None,
        gate=_gating(a),
        prefix=a.prefix_lm,
        decodes=site.decodes and a.is_causal(),
        blocks=a.pattern,
    )


def _places(a: Attention, site: Site) -> tuple[str, ...]:
    if a.source == "encoder":
        return ("step.source_real",)
    return places(site) if a.causal else ("step.real",)


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
    return Gating(a.gate.per, a.gate.activation)


def _kind(a: Attention) -> str:
    if a.relative_bias:
        return "relative" if a.causal else "relative_both"
    if not a.causal or a.source == "encoder":
        return "bidirectional"
    if a.block_sparse:
        return "block_sparse"
    return "sliding" if a.window else "chunked" if a.chunk else "causal"


def _cache(a: Attention) -> str:
    if a.source == "encoder":
        return "SourceCache"
    if isinstance(a.select, TokenSelection):
        return "IndexedKeyValueCache"
    return "RollingCache" if a.window or a.chunk else "KeyValueCache"
