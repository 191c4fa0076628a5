"""What the templates of latent attention see: names decided, numbers worked out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from archspec.codegen.definitions import Defined
from archspec.codegen.files import SharedFile
from archspec.codegen.members import Member
from archspec.codegen.rotary import Turn, turn
from archspec.codegen.site import Check, Site
from archspec.kernels.attention.files import KERNEL_FILES
from archspec.kernels.attention.hopper import HopperView, hopper_view
from archspec.kernels.attention.tiles import WIDEST
from archspec.kernels.attention.view import KernelView
from archspec.mechanisms.common.selection.fields import TokenSelection
from archspec.mechanisms.common.selection.view import (
    SELECT,
    SelectionView,
    indexer_name,
    selection_view,
)
from archspec.mechanisms.mixers.attention.functions import ATTEND, PLAIN, WATCHED, Attend, shared
from archspec.mechanisms.mixers.attention.scores import written
from archspec.mechanisms.mixers.mla.spec import LatentAttention

__all__ = ["CACHES", "CHECKS", "FILE", "PURPOSE", "SHARED", "shared", "view"]

FILE = "latent_attention.py"
PURPOSE = "the latent attention of each kind of layer"
SHARED = (
    ATTEND,
    *KERNEL_FILES,
    SELECT,
    SharedFile("latent.py", "latent.py.jinja", "softmax attention over latents", "absorbs"),
)
CACHES = {
    "LatentCache": "mechanisms/mixers/mla/templates/cache.py.jinja",
    "IndexedLatentCache": "mechanisms/mixers/mla/templates/cache_indexed.py.jinja",
}
DEFINITION = "mechanisms/mixers/mla/definition.py"


def _defined(views: list[LatentView]) -> tuple[Defined, ...]:
    reads = any(view.absorbs for view in views)
    return (Defined("latent", "attend_latent", DEFINITION, "attend_latent"),) if reads else ()


CHECKS = (
    WATCHED,
    Check(
        "Attention over latents is compared with its definition, values and gradients.",
        _defined,
    ),
)


@dataclass(frozen=True)
class LatentView:
    """One latent attention class."""

    class_name: str
    caption: str
    modules: tuple[Member, ...]
    query_latent: str | None
    """The expression for the latent that queries are made from."""

    heads: int
    kv_rank: int
    nope_dim: int
    rope_dim: int
    value_head_dim: int
    turn: Turn | None
    scale: str
    factor: float
    """What scores are multiplied by."""

    activation: str | None
    """The function of a gate on what attention gives."""

    latent_norm: bool
    select: SelectionView | None
    cache: str | None
    function: Attend
    kernel: KernelView | None
    """The kernels for its expanded form."""

    bounds: str
    """The expression for where the text of each token begins and ends."""

    relative: None = None
    takes: None = None
    file: str = "latent_attention"
    """The module of its class."""

    decode_kernel: None = None
    paged_kernel: None = None

    @property
    def arguments(self) -> str:
        """What a layer passes it after x."""
        return ", step, cache" if self.cache else ", step"

    @property
    def query(self) -> str:
        """The expression for all queries before they are cut into heads."""
        if self.query_latent is None:
            return "self.q_proj(x)"
        latent = "q_latent" if self.select and self.select.indexer else self.query_latent
        return f"self.q_b_proj({latent})"

    @property
    def absorbs(self) -> bool:
        """Whether it ever works on the latents themselves."""
        return self.cache is not None or self.select is not None

    @property
    def way(self) -> str:
        """Which template decides between the two forms."""
        if self.select:
            return "selected"
        return "cached" if self.cache else "whole"

    @property
    def head_dim(self) -> int:
        """Width of a query or key."""
        return self.nope_dim + self.rope_dim

    @property
    def kept_dim(self) -> int:
        """Width of what is kept for a token."""
        return self.kv_rank + self.rope_dim

    def normed(self, latent: str) -> str:
        """The expression for the latent that is kept."""
        return f"self.kv_a_layernorm({latent})" if self.latent_norm else latent

    @property
    def kept_widths(self) -> list[int]:
        """The widths of the tensors in its cache."""
        indexer = self.select.indexer if self.select else None
        return [self.kept_dim, *([indexer.head_dim] if indexer else [])]

    @property
    def gates(self) -> bool:
        """Whether it multiplies what attention gives by a gate."""
        return self.activation is not None

    @property
    def asked(self) -> dict[str, Any]:
        """What it asks of its kernels, as a benchmark is told: counts, widths and numbers."""
        nothing = dict.fromkeys(("window", "chunk", "blocks", "softcap", "relative", "gate"))
        heads = {"heads": self.heads, "kv_heads": self.heads}
        return nothing | heads | {"scale": self.factor}

    @property
    def hopper(self) -> HopperView | None:
        """The kernel for Hopper GPUs, where there is one for its shape."""
        return hopper_view(self.kernel)


def view(mechanism: LatentAttention, site: Site) -> LatentView:
    """Decide names and numbers for one latent attention."""
    a = mechanism
    turned = turn(a.rope, a.rope_dim, site.rotaries)
    if turned:
        site.turns(turned, a.heads, before=a.nope_dim)
        site.turns(turned, 1, before=a.kv_rank)
    return LatentView(
        class_name=site.class_name,
        caption=a.caption(site.hidden_size),
        modules=tuple(_modules(a, site)),
        query_latent=_query_latent(a),
        heads=a.heads,
        kv_rank=a.kv_rank,
        nope_dim=a.nope_dim,
        rope_dim=a.rope_dim,
        value_head_dim=a.value_head_dim,
        turn=turned,
        scale=written(a.score_scale, a.head_dim),
        factor=a.score_scale,
        activation=a.gate.activation if a.gate else None,
        latent_norm=a.latent_norm is not None,
        select=selection_view(a.select, site, "latents", a.query_rank),
        cache=_cache(a) if site.decodes else None,
        function=Attend("causal", PLAIN),
        bounds="step.spans" if site.packs else "None",
        kernel=_kernel(a),
    )


def _kernel(a: LatentAttention) -> KernelView | None:
    """Every head has keys and values of its own, and they are made for whole texts alone."""
    if max(a.head_dim, a.value_head_dim) > WIDEST:
        return None
    return KernelView(
        kind="causal",
        head_dim=a.head_dim,
        value_dim=a.value_head_dim,
        causal=True,
        window=False,
        chunk=False,
        softcap=False,
        sinks=False,
        slopes=False,
        prefix=False,
        narrow=False,
        decodes=False,
    )


def _query_latent(a: LatentAttention) -> str | None:
    if a.query_rank is None:
        return None
    return "self.q_a_layernorm(self.q_a_proj(x))" if a.latent_norm else "self.q_a_proj(x)"


def _cache(a: LatentAttention) -> str:
    return "IndexedLatentCache" if isinstance(a.select, TokenSelection) else "LatentCache"


def _modules(a: LatentAttention, site: Site) -> list[Member]:
    queries, bias = f"{a.heads} * {a.head_dim}", a.latent_bias
    found: list[Member] = []

    def linear(name: str, inputs: int | str, outputs: int | str, bias: bool = False) -> None:
        found.append(Member(name, f"nn.Linear({inputs}, {outputs}, bias={bias})"))

    def norm(name: str, width: int) -> None:
        if a.latent_norm:
            found.append(Member(name, site.norm(a.latent_norm, width)))

    if a.query_rank is None:
        linear("q_proj", site.hidden_size, queries)
    else:
        linear("q_a_proj", site.hidden_size, a.query_rank, bias)
        norm("q_a_layernorm", a.query_rank)
        linear("q_b_proj", a.query_rank, queries)
    kept = f"{a.kv_rank} + {a.rope_dim}" if a.rope_dim else a.kv_rank
    linear("kv_a_proj_with_mqa", site.hidden_size, kept, bias)
    norm("kv_a_layernorm", a.kv_rank)
    linear("kv_b_proj", a.kv_rank, f"{a.heads} * ({a.nope_dim} + {a.value_head_dim})")
    values = f"{a.heads} * {a.value_head_dim}"
    linear("o_proj", values, site.hidden_size, a.output_bias)
    if a.gate:
        wide = values if a.gate.per == "element" else a.heads
        linear("gate_proj", site.hidden_size, wide, a.gate.bias)
    if isinstance(a.select, TokenSelection):
        found.append(Member("indexer", f"{indexer_name(site.class_name)}()"))
    return found
