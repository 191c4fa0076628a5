"""Block-sparse patterns as integer bounds: which tiles a kernel visits, as `ranges` says of others.

Blocks of BLOCK keys are counted from where the text begins. In front of `border`, the first block
that is local to a row of the tile, every row sees the same blocks: the FIRST ones, and stripes. A
loop goes over these by their number, and on over near tiles that every row sees; a second one over
those at both edges, with a mask. A tile of keys lies in one block, except where padding in front
moves blocks against the tiles of keys whose gradients are summed.
"""

from __future__ import annotations

from archspec.kernels.attention.ranges import (
    BOUNDED,
    PARTLY,
    TEXT,
    WHOLE,
    Loop,
    Ranges,
    View,
)

BLOCKS = ("BLOCK", "LOCAL", "FIRST", "STRIDE", "SHIFT")
"""The numbers of a pattern; where there are no stripes, a STRIDE beyond every text."""

BEFORE = "what every row sees in front of its local blocks"
EDGES = "in front of that, and behind it"
FAR_BLOCK = "tl.where(block < FIRST, block, stripe + (block - FIRST) * STRIDE)"
"""The block that is number `block` of those in front of local ones."""


def stripe(heads: str) -> str:
    """The statement for the first block of a stripe behind the first ones."""
    return f"stripe = first_stripe(pair % {heads}, FIRST, STRIDE, SHIFT)  # this head's first"


def far_blocks(border: str) -> str:
    """How many blocks in front of `border` are seen from there on."""
    return f"tl.minimum({border}, FIRST) + tl.cdiv(tl.maximum({border} - stripe, 0), STRIDE)"


def is_far(block: str) -> str:
    """Whether `block` is seen from everywhere behind it."""
    return f"({block} < FIRST) | (({block} - stripe) % STRIDE == 0)"


def local_block(key: str, opens: str = "opens") -> str:
    """The first block that is local to the token at `key`; below zero where all are."""
    block = f"({key} - {opens}) // BLOCK" if opens else f"{key} // BLOCK"
    return f"{block} - (LOCAL - 1)"


def decode_bounds(heads: str) -> list[str]:
    """The statements that say which blocks the last key sees."""
    return [
        stripe(heads),
        f"border = tl.maximum({local_block('(keys - 1)', '')}, 0)  # the first local block",
        f"far = {far_blocks('border')}",
    ]


def decode_tile() -> list[str]:
    """The statements for the place of a tile of keys, by its number among those that are seen."""
    return [
        "block = number // BLOCK",
        f"before = {FAR_BLOCK}",
        "block = tl.where(block < far, before, block - far + border)",
        "first = block * BLOCK + number % BLOCK",
    ]


def block_key_ranges(view: View, heads: str) -> Ranges:
    """The keys that a tile of rows sees; `heads` is the expression for how many have keys."""
    token, group = ("token", " // GROUP") if view.grouped else ("row", "")
    past = f"(tile * ROWS + ROWS - 1){group}"
    lines = [
        "earlier = keys - tokens  # keys before the first query",
        f"last = earlier + {token}  # the last key a row sees, its own",
        f"lowest = earlier + {'start' if group else 'tile * ROWS'}",
        f"highest = earlier + tl.minimum({past}, tokens - 1)",
        *TEXT,
        f"{BOUNDED}  # no row outside the text",
        "    highest = tl.where(lowest < closes, tl.minimum(highest, closes - 1), opens - 1)",
        "    lowest = tl.minimum(tl.maximum(lowest, opens), highest)",
        stripe(heads),
        f"since = opens + ({local_block('last')}) * BLOCK",
        f"border = tl.maximum({local_block('lowest')}, 0)",
        f"far = {far_blocks('border')}",
        "begin = opens + border * BLOCK",
    ]
    place = ["block = number // BLOCK", f"block = {FAR_BLOCK}"]
    place.append("first = opens + block * BLOCK + number % BLOCK")
    mask = ("block = (first - opens) // BLOCK", f"always = {is_far('block')}")
    seen = "(key[None, :] <= last[:, None]) & ((first >= since) | always)[:, None]"
    if view.narrow:
        away = Loop("0", "far * BLOCK", False, BEFORE, over="number", lines=tuple(place))
        near = Loop("begin", "highest + 1", True, PARTLY, over="first", lines=mask)
        return Ranges(tuple(lines), (away, near), seen)
    lines += [
        f"edge = opens + tl.maximum({local_block('highest')}, 0) * BLOCK",
        "full = tl.maximum(begin + tl.maximum(lowest + 1 - begin, 0) // KEYS * KEYS, edge)",
    ]
    place.append("first = tl.where(number < far * BLOCK, first, number - far * BLOCK + edge)")
    apart = "first = tl.where(number < edge, number, number + full - edge)"
    stop = "highest + 1 + edge - full"
    loops = (
        Loop("0", "far * BLOCK + full - edge", False, WHOLE, over="number", lines=tuple(place)),
        Loop("begin", stop, True, EDGES, over="number", lines=(apart, *mask)),
    )
    return Ranges(tuple(lines), loops, seen)


def block_row_ranges(view: View, heads: str) -> Ranges:
    """The rows that see a tile of keys, beginning at key `first`.

    Those are the rows from the diagonal on, to the last to which its blocks are local, or to the
    end of the text. A tile has two blocks at most.
    """
    times = view.times
    lines = [
        "earlier = keys - tokens  # keys before the first query",
        f"begin = tl.maximum(first - earlier, 0){times}  # the first row that sees any",
        *TEXT,
        stripe(heads),
        "older = (tl.maximum(first, opens) - opens) // BLOCK  # the block of the first key",
        "newer = (tl.minimum(first + KEYS, closes) - 1 - opens) // BLOCK  # and of the last",
    ]
    for name in ("older", "newer"):
        after = f"opens + ({name} + LOCAL) * BLOCK"
        lines.append(f"{name}_end = tl.where({is_far(name)}, keys, {after})")
    lines += [
        f"end = tl.minimum(tl.maximum(older_end, newer_end) - earlier, tokens){times}"
        "  # after the last row that sees any",
        f"{BOUNDED}  # no row outside the text, and none for keys in front of it",
        f"    end = tl.minimum(end, closes{times})",
        f"    begin = tl.where(first + KEYS > opens, tl.maximum(begin, opens{times}), end)",
        f"below = tl.maximum(first + KEYS - 1 - earlier, 0){times} - begin",
        "whole = begin + tl.cdiv(tl.maximum(below, 0), ROWS) * ROWS",
        f"to = tl.minimum((tl.minimum(older_end, newer_end) - earlier){times}, end)",
        "full = whole + tl.maximum(to - whole, 0) // ROWS * ROWS",
    ]
    token = "token" if view.grouped else "row"
    rows = (f"last = earlier + {token}",)
    apart = ("above = tl.where(number < whole, number, number + full - whole)",)
    loops = (
        Loop("whole", "full", False, WHOLE),
        Loop("begin", "end + whole - full", True, EDGES, over="number", lines=apart),
    )
    seen = "(key <= last[None, :]) & (last[None, :] < until) & real[None, :]"
    of_keys = (
        "block = (key - opens) // BLOCK",
        f"until = tl.where({is_far('block')}, keys, opens + (block + LOCAL) * BLOCK)",
    )
    return Ranges(tuple(lines), loops, seen, rows=rows, of_keys=of_keys)
