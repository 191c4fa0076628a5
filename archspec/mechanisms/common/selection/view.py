"""What the templates of mixers that select tokens see."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal

from archspec.codegen.files import SharedFile
from archspec.codegen.members import Member
from archspec.codegen.rotary import Turn, turn
from archspec.codegen.site import Site
from archspec.mechanisms.common.selection.fields import SharedSelection, TokenSelection, name

NEAR = {"heads": 12, "latents": 8}
"""Up to so many times the tokens that are seen, hiding the others is faster than gathering these.

Measured on a CPU: the folder's README has the numbers.
"""


def _ways(views: list[Any]) -> dict[str, Any]:
    """What selection.py is told beside the classes."""
    return {"near": NEAR}


SELECT = SharedFile(
    "selection.py",
    "mechanisms/common/selection/templates/selection.py.jinja",
    "which tokens attention looks at",
    needed="select",
    context=_ways,
)


@dataclass(frozen=True)
class IndexerView:
    """One class that scores tokens and picks the best."""

    class_name: str
    modules: tuple[Member, ...]
    heads: int
    head_dim: int
    latent: bool
    """Its queries are made from a latent, in place of the layer's input."""

    key: str
    """The expression for the key of each token."""

    scale: float
    rotation: Turn | None

    def turn(self, name: str) -> str:
        """The expression for `name` with its positions."""
        return self.rotation.of(name) if self.rotation else name


@dataclass(frozen=True)
class SelectionView:
    """What one mixer selects, and whether by itself; `over` is what attention then reads."""

    name: str
    top_k: int
    over: Literal["heads", "latents"]
    indexer: IndexerView | None
    gives: bool

    @property
    def near(self) -> int:
        """Up to so many times the tokens that are seen, hiding the others is faster."""
        return NEAR[self.over]

    @property
    def arguments(self) -> str:
        """What the indexer is called with."""
        latent = "q_latent, " if self.indexer and self.indexer.latent else ""
        return f"x, {latent}index, step"


def selection_view(
    selection: TokenSelection | SharedSelection | None,
    site: Site,
    over: Literal["heads", "latents"],
    latent: int | None = None,
) -> SelectionView | None:
    """Names and numbers; `latent` is the width of the latent of queries, where there is one."""
    if selection is None:
        return None
    called = name(selection)
    indexer = _indexer(selection, site, latent) if isinstance(selection, TokenSelection) else None
    gives = indexer is not None and called in site.taken
    return SelectionView(called, selection.top_k, over, indexer, gives)


def indexer_name(attention: str) -> str:
    """The class of the indexer inside a class of attention: `LatentIndexer`."""
    return re.sub(r"Attention(\d*)$", r"Indexer\1", attention)


def _indexer(s: TokenSelection, site: Site, latent: int | None) -> IndexerView:
    found = [
        Member("wq_b", _linear(latent or site.hidden_size, f"{s.heads} * {s.head_dim}")),
        Member("wk", _linear(site.hidden_size, s.head_dim)),
    ]
    if s.norm:
        found.append(Member("k_norm", site.norm(s.norm, s.head_dim)))
    turned = turn(s.rope, s.head_dim, site.rotaries)
    if turned:
        for heads in (s.heads, 1):
            site.turns(turned, heads)
    found.append(Member("weights_proj", _linear(site.hidden_size, s.heads)))
    return IndexerView(
        class_name=indexer_name(site.class_name),
        modules=tuple(found),
        heads=s.heads,
        head_dim=s.head_dim,
        latent=latent is not None,
        key="self.k_norm(self.wk(x))" if s.norm else "self.wk(x)",
        scale=s.scale,
        rotation=turned,
    )


def _linear(inputs: int, outputs: int | str) -> str:
    return f"nn.Linear({inputs}, {outputs}, bias=False)"
