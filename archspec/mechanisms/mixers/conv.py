"""The file of short convolutions, which the modules of several mixers import."""

from __future__ import annotations

from archspec.codegen.files import SharedFile, nothing

CONV = SharedFile(
    "conv.py",
    "templates/package/conv.py.jinja",
    "short convolutions over time",
    context=nothing,
)
