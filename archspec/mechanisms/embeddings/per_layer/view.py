"""What the template of per-layer embeddings sees."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from archspec.codegen.files import SharedFile
from archspec.codegen.site import Site
from archspec.mechanisms.embeddings.per_layer.spec import PerLayerEmbedding

FILE = "per_layer.py"
PURPOSE = "the token's own vector for each layer"
SHARED: tuple[SharedFile, ...] = ()
CACHES: Mapping[str, str] = {}
CHECKS = ()


@dataclass(frozen=True)
class PerLayerView:
    """One class."""

    class_name: str
    caption: str
    hidden_size: int
    width: int
    activation: str
    norm: str | None
    cache: None = None
    arguments: str = ", vector"


def view(mechanism: PerLayerEmbedding, site: Site) -> PerLayerView:
    """Numbers for one class."""
    return PerLayerView(
        site.class_name,
        mechanism.caption(site.hidden_size),
        site.hidden_size,
        mechanism.width,
        mechanism.activation,
        site.norm(mechanism.norm, site.hidden_size) if mechanism.norm else None,
    )


def shared(views: list[PerLayerView]) -> dict[str, Any]:
    """Nothing that several classes need."""
    return {}
