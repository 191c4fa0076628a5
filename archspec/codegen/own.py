"""Files about the tensors of modules: which stay in float32, and when they are read from outside."""

from __future__ import annotations

from typing import Any

from archspec.codegen.files import File, SharedFile

PLAIN = File(
    "plain.py",
    "templates/package/plain.py.jinja",
    "when a layer's weight may be read in place of a call",
    "reads_weights",
)


def _ramps(views: list[Any]) -> dict[str, Any]:
    return {"ramps": any(getattr(view, "ramps", False) for view in views)}


EXACT = SharedFile(
    "exact.py",
    "templates/package/exact.py.jinja",
    "tensors that stay in float32 in a model of any type",
    needed="exact",
    context=_ramps,
)
"""For classes whose view says `exact`; `ramps` says that their tensors start as even steps."""
