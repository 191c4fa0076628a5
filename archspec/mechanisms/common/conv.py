"""The file of short convolutions, which the modules of several mixers import."""

from __future__ import annotations

from typing import Any

from archspec.codegen.definitions import Defined
from archspec.codegen.files import SharedFile


def _exact(views: list[Any]) -> dict[str, Any]:
    return {"exact_convs": any(getattr(view, "exact", False) for view in views)}


CONV = SharedFile(
    "conv.py",
    "templates/package/conv.py.jinja",
    "short convolutions over time",
    context=_exact,
)

CONVOLUTION = Defined(
    "conv.ShortConv",
    "forward",
    "mechanisms/common/definitions/convolution.py",
    "short_convolution",
)
"""What a short convolution is held to in the selftest."""
