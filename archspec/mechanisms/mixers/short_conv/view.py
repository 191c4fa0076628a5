"""What the gated short convolution's template sees."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from archspec.codegen.site import Check, Site
from archspec.mechanisms.common.conv import CONV, CONVOLUTION
from archspec.mechanisms.mixers.short_conv.spec import ShortConvolution

FILE = "gated_conv.py"
PURPOSE = "the gated short convolution"
SHARED = (CONV,)
CACHES = {"TailCache": "cache.py.jinja"}
CHECKS = (
    Check(
        "The short convolution is compared with its definition, values and gradients.",
        lambda _: (CONVOLUTION,),
    ),
)


@dataclass(frozen=True)
class ShortConvView:
    """One class of gated short convolutions."""

    class_name: str
    caption: str
    hidden_size: int
    channels: int
    conv: int
    bias: bool
    cache: str | None

    @property
    def arguments(self) -> str:
        """What a layer passes it after x."""
        return ", step, cache" if self.cache else ", step"

    @property
    def tail(self) -> str:
        """The expression for the tokens before these."""
        return "cache.tail if cache is not None else None" if self.cache else "None"


def view(mechanism: ShortConvolution, site: Site) -> ShortConvView:
    """Numbers for one class."""
    return ShortConvView(
        site.class_name,
        mechanism.caption(site.hidden_size),
        site.hidden_size,
        mechanism.channels,
        mechanism.conv,
        mechanism.bias,
        "TailCache" if site.decodes else None,
    )


def shared(views: list[ShortConvView]) -> dict[str, Any]:
    """Nothing beyond the views."""
    return {}
