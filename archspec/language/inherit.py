"""Blocks with what they inherit from `defaults` and from the block that they extend."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from archspec.language.merging import Writing, copy, merge
from archspec.language.source import Map, describe


def inherit(blocks: Map, defaults: Map | None, state: Writing) -> Map:
    """Every block with what it inherits; each is merged once, however many extend it."""
    done: dict[str, Any] = {}
    for name in blocks:
        chain = _ancestors(name, blocks, done, state)
        below = done.get(_parent(blocks[next(reversed(chain))]), defaults) if chain else None
        for ancestor in reversed(chain or ()):
            own = blocks[ancestor]
            if isinstance(own, Map):
                below = merge(below, own) if isinstance(below, Map) else copy(own)
                below.pop("extends", None)
            else:
                below = own
            done[ancestor] = below
            state.written(below, f"blocks.{ancestor}", blocks.keys_at[ancestor])
    whole = Map(blocks.mark)
    for name in blocks:
        if parent := _parent(blocks[name]):
            state.parents[name] = parent
        whole.put(name, done[name], blocks.keys_at[name], blocks.values_at[name])
    return whole


def _parent(block: Any) -> str:
    """The name of the block that `block` extends, or nothing."""
    parent = block.get("extends") if isinstance(block, Map) else None
    return parent if isinstance(parent, str) else ""


def _ancestors(
    name: str, blocks: Map, done: Collection[str], state: Writing
) -> dict[str, None] | None:
    """`name` and the blocks it extends that are not yet `done`, nearest first.

    A broken link ends the chain, and all that leads to it is broken.
    """
    if name in done:
        return None
    chain = {name: None}
    last = name
    while isinstance(block := blocks[last], Map) and "extends" in block:
        parent, mark = block["extends"], block.values_at["extends"]
        path = f"blocks.{last}.extends"
        if isinstance(parent, str) and parent in done:
            if parent in state.broken:
                state.broken.update(chain)
            break
        if isinstance(parent, str) and parent in blocks and parent not in chain:
            chain[last := parent] = None
            continue
        state.broken.update(chain)
        if not isinstance(parent, str):
            message = f"expected the name of a block, got {describe(parent)}"
            state.problem(message, path, mark)
        elif parent not in blocks:
            state.unknown(parent, [known for known in blocks if known != last], path, mark)
        else:
            # One circle is one mistake, told at the first of its blocks in the file.
            circle = list(chain)[list(chain).index(parent) :]
            first = min(circle, key=list(blocks).index)
            at = circle.index(first)
            loop = [*circle[at:], *circle[:at], first]
            shown = " → ".join(loop if len(loop) <= 12 else [*loop[:6], "…", *loop[-5:]])
            message = f"blocks extend each other in a circle: {shown}"
            start: Map = blocks[first]
            state.problem(message, f"blocks.{first}.extends", start.values_at["extends"])
        break
    return chain
