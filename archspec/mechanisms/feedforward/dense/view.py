"""What the dense feed-forward's template sees."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from archspec.codegen.site import SharedFile, Site
from archspec.mechanisms.feedforward.dense.spec import DenseFeedForward
from archspec.mechanisms.feedforward.inner import InnerView, inner_view

FILE = "feedforward.py"
PURPOSE = "the feed-forward"
SHARED: tuple[SharedFile, ...] = ()
CACHES: Mapping[str, str] = {}
CHECK = None


@dataclass(frozen=True)
class DenseView:
    """One feed-forward class."""

    class_name: str
    caption: str
    width: int
    hidden_size: int
    bias: bool
    gate: str
    """The expression for the gate, a factor with it."""

    inner: InnerView
    cache: None = None
    arguments: str = ""


def view(mechanism: DenseFeedForward, site: Site) -> DenseView:
    """Numbers for one feed-forward."""
    factor = mechanism.gate_scale
    return DenseView(
        site.class_name,
        mechanism.caption(site.hidden_size),
        site.hidden_size,
        mechanism.hidden_size,
        mechanism.bias,
        "self.gate_proj(x)" if factor is None else f"{factor!r} * self.gate_proj(x)",
        inner_view(mechanism),
    )


def shared(views: list[DenseView]) -> dict[str, Any]:
    """The parameters of the learned activation, where a class has one."""
    return {"learned": next((v.inner.learned for v in views if v.inner.learned), None)}
