"""Block-sparse patterns as integer bounds: which tiles a kernel visits, as `ranges` says of others.

Blocks are counted from where the text begins. In front of `border`, the first block that is local
to a row of the tile, every row sees the same blocks: the first ones, and stripes. A loop goes over
these by their number, and on over near tiles that every row sees; a second one over those at both
edges, with a mask. A tile of keys lies in one block, except where padding in front moves blocks
against the tiles of keys whose gradients are summed.
"""

from __future__ import annotations

from archspec.architecture.block_pattern import BlockPattern
from archspec.kernels.attention.ranges import (
    BOUNDED,
    PARTLY,
    TEXT,
    WHOLE,
    Loop,
    Ranges,
    View,
)

BEFORE = "what every row sees in front of its local blocks"
EDGES = "in front of that, and behind it"


def stripe(blocks: BlockPattern, heads: int) -> list[str]:
    """The statement for the first block of a stripe behind the first ones."""
    if blocks.stride is None or not blocks.shift:
        return []
    where = (-1 - blocks.first) % blocks.stride
    turn = f"pair % {heads} * {blocks.stride - blocks.shift}"
    first = f"{blocks.first} + " if blocks.first else ""
    return [f"stripe = {first}({where} + {turn}) % {blocks.stride}  # this head's first"]


def far_blocks(blocks: BlockPattern, border: str) -> str:
    """How many blocks in front of `border` are seen from there on."""
    first = f"tl.minimum({border}, {blocks.first})" if blocks.first else ""
    if blocks.stride is None:
        return first
    stripes = f"tl.cdiv(tl.maximum({border} - {_stripe(blocks)}, 0), {blocks.stride})"
    return f"{first} + {stripes}" if first else stripes


def far_block(blocks: BlockPattern) -> str:
    """The block that is number `block` of these."""
    if blocks.stride is None:
        return "block"
    if not blocks.first:
        return f"{_stripe(blocks)} + block * {blocks.stride}"
    striped = f"{_stripe(blocks)} + (block - {blocks.first}) * {blocks.stride}"
    return f"tl.where(block < {blocks.first}, block, {striped})"


def is_far(blocks: BlockPattern, block: str) -> str:
    """Whether `block` is seen from everywhere behind it."""
    parts = [f"({block} < {blocks.first})"] if blocks.first else []
    if blocks.stride is not None:
        parts.append(f"(({block} - {_stripe(blocks)}) % {blocks.stride} == 0)")
    return " | ".join(parts)


def local_block(blocks: BlockPattern, key: str, opens: str = "opens") -> str:
    """The first block that is local to the token at `key`; below zero where all are."""
    block = f"({key} - {opens}) // {blocks.size}" if opens else f"{key} // {blocks.size}"
    return f"{block} - {blocks.local - 1}" if blocks.local > 1 else block


def decode_bounds(blocks: BlockPattern, heads: int) -> list[str]:
    """The statements that say which blocks the last key sees."""
    return [
        *stripe(blocks, heads),
        f"border = tl.maximum({local_block(blocks, '(keys - 1)', '')}, 0)  # the first local block",
        f"far = {far_blocks(blocks, 'border')}",
    ]


def decode_tile(blocks: BlockPattern) -> list[str]:
    """The statements for the place of a tile of keys, by its number among those that are seen."""
    return [
        f"block = number // {blocks.size}",
        f"before = {far_block(blocks)}",
        "block = tl.where(block < far, before, block - far + border)",
        f"first = block * {blocks.size} + number % {blocks.size}",
    ]


def block_key_ranges(view: View, blocks: BlockPattern, heads: int) -> Ranges:
    """The keys that a tile of rows sees."""
    token, group = ("token", view.group) if view.group > 1 else ("row", 1)
    past = f"(tile * ROWS + ROWS - 1){f' // {group}' if group > 1 else ''}"
    size = blocks.size
    lines = [
        "earlier = keys - tokens  # keys before the first query",
        f"last = earlier + {token}  # the last key a row sees, its own",
        f"lowest = earlier + {'start' if group > 1 else 'tile * ROWS'}",
        f"highest = earlier + tl.minimum({past}, tokens - 1)",
        *TEXT,
        f"{BOUNDED}  # no row outside the text",
        "    highest = tl.where(lowest < closes, tl.minimum(highest, closes - 1), opens - 1)",
        "    lowest = tl.minimum(tl.maximum(lowest, opens), highest)",
        *stripe(blocks, heads),
        f"since = opens + ({local_block(blocks, 'last')}) * {size}",
        f"border = tl.maximum({local_block(blocks, 'lowest')}, 0)",
        f"far = {far_blocks(blocks, 'border')}",
        f"begin = opens + border * {size}",
    ]
    place = [f"block = number // {size}", f"block = {far_block(blocks)}"]
    place.append(f"first = opens + block * {size} + number % {size}")
    if blocks.stride is None:
        place = ["first = opens + number"]
    mask = (f"block = (first - opens) // {size}", f"always = {is_far(blocks, 'block')}")
    seen = "(key[None, :] <= last[:, None]) & ((first >= since) | always)[:, None]"
    if view.narrow:
        away = Loop("0", f"far * {size}", False, BEFORE, over="number", lines=tuple(place))
        near = Loop("begin", "highest + 1", True, PARTLY, over="first", lines=mask)
        return Ranges(tuple(lines), (away, near), seen)
    lines += [
        f"edge = opens + tl.maximum({local_block(blocks, 'highest')}, 0) * {size}",
        "full = tl.maximum(begin + tl.maximum(lowest + 1 - begin, 0) // KEYS * KEYS, edge)",
    ]
    place.append(f"first = tl.where(number < far * {size}, first, number - far * {size} + edge)")
    apart = "first = tl.where(number < edge, number, number + full - edge)"
    stop = "highest + 1 + edge - full"
    loops = (
        Loop("0", f"far * {size} + full - edge", False, WHOLE, over="number", lines=tuple(place)),
        Loop("begin", stop, True, EDGES, over="number", lines=(apart, *mask)),
    )
    return Ranges(tuple(lines), loops, seen)


def block_row_ranges(view: View, blocks: BlockPattern, heads: int) -> Ranges:
    """The rows that see a tile of keys, beginning at key `first`.

    Those are the rows from the diagonal on, to the last to which its blocks are local, or to the
    end of the text. A tile has two blocks at most.
    """
    times, size = view.times, blocks.size
    lines = [
        "earlier = keys - tokens  # keys before the first query",
        f"begin = tl.maximum(first - earlier, 0){times}  # the first row that sees any",
        *TEXT,
        *stripe(blocks, heads),
        f"older = (tl.maximum(first, opens) - opens) // {size}  # the block of the first key",
        f"newer = (tl.minimum(first + KEYS, closes) - 1 - opens) // {size}  # and of the last",
    ]
    for name in ("older", "newer"):
        after = f"opens + ({name} + {blocks.local}) * {size}"
        lines.append(f"{name}_end = tl.where({is_far(blocks, name)}, keys, {after})")
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
    token = "token" if view.group > 1 else "row"
    rows = (f"last = earlier + {token}",)
    apart = ("above = tl.where(number < whole, number, number + full - whole)",)
    loops = (
        Loop("whole", "full", False, WHOLE),
        Loop("begin", "end + whole - full", True, EDGES, over="number", lines=apart),
    )
    seen = "(key <= last[None, :]) & (last[None, :] < until) & real[None, :]"
    after = f"opens + (block + {blocks.local}) * {size}"
    of_keys = (
        f"block = (key - opens) // {size}",
        f"until = tl.where({is_far(blocks, 'block')}, keys, {after})",
    )
    return Ranges(tuple(lines), loops, seen, rows=rows, of_keys=of_keys)


def _stripe(blocks: BlockPattern) -> str:
    return "stripe" if blocks.shift else str(blocks.stripe())
