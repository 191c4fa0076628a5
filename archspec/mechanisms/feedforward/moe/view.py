"""What the templates of the mixture of experts see."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from archspec.codegen.site import SharedFile, Site
from archspec.mechanisms.feedforward.moe.spec import MixtureOfExperts

FILE = "experts.py"
PURPOSE = "the router and the experts"
SHARED = (SharedFile("grouped.py", "grouped.py.jinja", "one linear map for each group of rows"),)
CHECK = None


@dataclass(frozen=True)
class ExpertsView:
    """One mixture of experts: a class with the router, and one with the experts' weights."""

    class_name: str
    experts_class: str
    caption: str
    width: int
    hidden_size: int
    experts: int
    top_k: int
    router_bias: bool
    renormalize: bool
    activation: str
    bias: bool
    clamp: float | None
    up_offset: float
    cache: None = None
    arguments: str = ""


def view(mechanism: MixtureOfExperts, site: Site) -> ExpertsView:
    """Numbers for one mixture."""
    return ExpertsView(
        class_name=site.class_name,
        experts_class=site.class_name.replace("MixtureOfExperts", "Experts"),
        caption=mechanism.caption(site.hidden_size),
        width=site.hidden_size,
        hidden_size=mechanism.hidden_size,
        experts=mechanism.experts,
        top_k=mechanism.top_k,
        router_bias=mechanism.router.bias,
        renormalize=mechanism.renormalize,
        activation=mechanism.activation,
        bias=mechanism.bias,
        clamp=mechanism.clamp,
        up_offset=mechanism.up_offset,
    )


def shared(views: list[ExpertsView]) -> dict[str, Any]:
    """Nothing but the operator itself."""
    return {}
