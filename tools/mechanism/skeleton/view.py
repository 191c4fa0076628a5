"""What the templates of the leaky integrator see: names decided, numbers worked out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from archspec.mechanisms.mixers.leaky_integrator.spec import LeakyIntegrator

from archspec.codegen.site import Site
from archspec.mechanisms.common.chunks import CARRY

FILE = "leaky_integrator.py"
PURPOSE = "running means of channels"
SHARED = (CARRY,)
CACHES = {"LeakyIntegratorCache": "cache.py.jinja"}
CHECKS = ()


@dataclass(frozen=True)
class LeakyIntegratorView:
    """One class of leaky integrators."""

    class_name: str
    caption: str
    hidden_size: int
    m: LeakyIntegrator
    cache: str | None
    carries: bool = True

    @property
    def arguments(self) -> str:
        """What a layer passes it after x."""
        return ", step, cache" if self.cache else ", step"


def view(mechanism: LeakyIntegrator, site: Site) -> LeakyIntegratorView:
    """Decide names for one mixer."""
    return LeakyIntegratorView(
        class_name=site.class_name,
        caption=mechanism.caption(site.hidden_size),
        hidden_size=site.hidden_size,
        m=mechanism,
        cache="LeakyIntegratorCache" if site.decodes else None,
    )


def shared(views: list[LeakyIntegratorView]) -> dict[str, Any]:
    """Nothing beside the views themselves."""
    return {}
