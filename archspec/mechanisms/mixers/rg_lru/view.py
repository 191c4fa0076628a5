"""What the RG-LRU templates see: names decided, numbers worked out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from archspec.codegen.definitions import Defined
from archspec.codegen.files import SharedFile
from archspec.codegen.site import Check, Site
from archspec.mechanisms.common.chunks import CARRY
from archspec.mechanisms.common.conv import CONV, CONVOLUTION
from archspec.mechanisms.mixers.rg_lru.spec import RealGatedLRU

FILE = "rg_lru.py"
PURPOSE = "the real-gated linear recurrent units"
SHARED = (
    SharedFile(
        "linear_scan.py",
        "linear_scan.py.jinja",
        "a diagonal recurrence, token by token and chunked",
    ),
    CONV,
    CARRY,
)
CACHES = {"StateSpaceCache": "templates/caches/state_space.py.jinja"}
DEFINITION = "mechanisms/mixers/rg_lru/definition.py"


def _defined(views: list[Any]) -> tuple[Defined, ...]:
    forms = ("scan_chunked", "scan_recurrent")
    scans = (Defined("linear_scan", form, DEFINITION, "linear_scan") for form in forms)
    return CONVOLUTION, *scans


CHECKS = (
    Check(
        "Both forms of the linear scan are compared with its definition, values and gradients.",
        _defined,
        tokens=2 * 64 + 5,  # three chunks
    ),
)


@dataclass(frozen=True)
class RealGatedLRUView:
    """One class of RG-LRU."""

    class_name: str
    caption: str
    hidden_size: int
    m: RealGatedLRU
    cache: str | None
    carries: bool = True
    """Its state goes from chunk to chunk step by step."""

    drawn: tuple[str, ...] = ("BlockLinear",)
    """The classes whose matrices the model draws."""

    @property
    def arguments(self) -> str:
        """What a layer passes it after x."""
        return ", step, cache" if self.cache else ", step"


def view(mechanism: RealGatedLRU, site: Site) -> RealGatedLRUView:
    """Decide names for one mixer."""
    return RealGatedLRUView(
        class_name=site.class_name,
        caption=mechanism.caption(site.hidden_size),
        hidden_size=site.hidden_size,
        m=mechanism,
        cache="StateSpaceCache" if site.decodes else None,
    )


def shared(views: list[RealGatedLRUView]) -> dict[str, Any]:
    """Nothing beside the views themselves."""
    return {}
