"""Blocks that a spec describes and no layer is made of: allowed, and probably a slip."""

from __future__ import annotations

from archspec.errors import Diagnostic
from archspec.language.expand import expand
from archspec.language.source import Document, Map


def unused(document: Document) -> list[Diagnostic]:
    """A warning for each block of a valid spec that neither a layer nor a used block needs."""
    expanded = expand(document)
    mtp, blocks = document.data.get("mtp"), document.data["blocks"]
    waiting = [*expanded.layers, *expanded.encoder_layers]
    waiting += [mtp["block"]] if isinstance(mtp, Map) else []
    used: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name not in used:
            used.add(name)
            waiting += [expanded.parents[name]] if name in expanded.parents else []
    hint = "name it in `layers`, or leave it out"
    return [
        Diagnostic("no layer is of this kind", f"blocks.{name}", blocks.keys_at[name], hint)
        for name in blocks
        if name not in used
    ]
