"""What the RG-LRU templates see: names decided, numbers worked out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from archspec.codegen.files import SharedFile
from archspec.codegen.site import Check, Site
from archspec.mechanisms.common.chunks import CARRY
from archspec.mechanisms.common.conv import CONV
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
CHECK = Check(
    "linear recurrence",
    "check_linear_scan",
    "The chunked linear recurrence is compared with the one token by token in float64.",
    "from . import linear_scan",
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
