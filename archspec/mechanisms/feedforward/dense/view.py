"""What the dense feed-forward's template sees."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from archspec.codegen.site import Site
from archspec.kernels.gate import GATE_KERNELS, GATES, Gate, gate, shared
from archspec.mechanisms.common.activation import InnerView, inner_view
from archspec.mechanisms.feedforward.dense.spec import DenseFeedForward

__all__ = ["CACHES", "CHECKS", "FILE", "PURPOSE", "SHARED", "shared", "view"]

FILE = "feedforward.py"
PURPOSE = "the feed-forward"
SHARED = (GATES, GATE_KERNELS)
CACHES: Mapping[str, str] = {}
CHECKS = ()


@dataclass(frozen=True)
class DenseView:
    """One feed-forward class."""

    class_name: str
    caption: str
    width: int
    intermediate_size: int
    bias: bool
    gate: str
    """The expression for the gate, a factor with it."""

    inner: InnerView
    gates: tuple[Gate, ...] = ()
    """Where its gate meets `up`, if a kernel computes it."""

    cache: None = None
    arguments: str = ""


def view(mechanism: DenseFeedForward, site: Site) -> DenseView:
    """Numbers for one feed-forward."""
    factor, inner = mechanism.gate_scale, inner_view(mechanism)
    return DenseView(
        site.class_name,
        mechanism.caption(site.hidden_size),
        site.hidden_size,
        mechanism.intermediate_size,
        mechanism.bias,
        "self.gate_proj(x)" if factor is None else f"{factor!r} * self.gate_proj(x)",
        inner,
        gate(inner, mechanism.intermediate_size),
    )
