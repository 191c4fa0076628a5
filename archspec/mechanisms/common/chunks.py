"""The files that carry a state over the chunks of a text, which several mixers import."""

from __future__ import annotations

from archspec.codegen.files import SharedFile, nothing

CARRY = SharedFile(
    "carry.py",
    "mechanisms/common/templates/carry.py.jinja",
    "states that are carried from chunk to chunk",
    needed="carries",
    context=nothing,
    operators=True,
)
WALK = SharedFile(
    "walk.py",
    "mechanisms/common/templates/walk.py.jinja",
    "the walk of a delta rule over chunks",
    context=nothing,
    operators=True,
)
