"""Masks as integer bounds: which tiles a kernel visits, and where a tile needs a mask.

Positions are counted in keys: the queries are the last `tokens` of `keys`, so query t stands at
`earlier + t`. A tile is whole where every row of it sees every key.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Loop:
    """A loop over tiles from `begin` to `end`."""

    begin: str
    end: str
    masked: bool
    why: str
    ragged: bool = False
    """Its last tile may have rows that do not exist; what is masked has that too."""


@dataclass(frozen=True)
class Ranges:
    """The statements that bound the loops of a kernel, the loops, and the mask inside them."""

    lines: tuple[str, ...]
    begin: str
    loops: tuple[Loop, ...]
    seen: str


WHOLE = "every row sees the whole tile"
PARTLY = "some rows see a part of the tile"
DIAGONAL = "the diagonal"


def key_ranges(
    causal: bool, window: int | None, chunk: int | None, narrow: bool, group: int
) -> Ranges:
    """The keys that a tile of rows sees; the rows of a tile are `group` heads of each token."""
    if not causal:
        lines = ("full = keys // KEYS * KEYS",)
        loops = (
            Loop("0", "full", False, WHOLE),
            Loop("full", "keys", True, "where the keys end"),
        )
        return Ranges(lines, "0", loops, "key[None, :] < keys")
    lines = [
        "earlier = keys - tokens  # keys before the first query",
        f"last = earlier + {'token' if group > 1 else 'row'}  # the last key a row sees, its own",
        "lowest = earlier + start" if group > 1 else "lowest = earlier + tile * ROWS",
        f"highest = earlier + tl.minimum({_over('(tile * ROWS + ROWS - 1)', group)}, tokens - 1)",
    ]
    if not window and not chunk:
        lines.append("full = (lowest + 1) // KEYS * KEYS")
        loops = (
            Loop("0", "full", False, WHOLE),
            Loop("full", "highest + 1", True, DIAGONAL),
        )
        return Ranges(tuple(lines), "0", loops, "key[None, :] <= last[:, None]")
    lines.append(f"begin = tl.maximum({_first('lowest', window, chunk)}, 0) // KEYS * KEYS")
    if chunk:
        lines.append(f"since = {_first('last', None, chunk)}")
        seen = "(key[None, :] <= last[:, None]) & (key[None, :] >= since[:, None])"
    else:
        seen = f"(key[None, :] <= last[:, None]) & (key[None, :] > last[:, None] - {window})"
    if narrow:
        loops = (Loop("begin", "highest + 1", True, PARTLY),)
        return Ranges(tuple(lines), "begin", loops, seen)
    edge = _first("highest", window, chunk)
    lines += [
        f"edge = tl.cdiv(tl.maximum({edge}, 0), KEYS) * KEYS",
        "full = tl.maximum((lowest + 1) // KEYS * KEYS, edge)",
    ]
    loops = (
        Loop("begin", "edge", True, "only some rows see as far back"),
        Loop("edge", "full", False, WHOLE),
        Loop("full", "highest + 1", True, DIAGONAL),
    )
    return Ranges(tuple(lines), "begin", loops, seen)


def row_ranges(
    causal: bool, window: int | None, chunk: int | None, narrow: bool, group: int
) -> Ranges:
    """The rows that see a tile of keys, beginning at key `first`."""
    times = f" * {group}" if group > 1 else ""
    if not causal:
        loops = (Loop("0", f"tokens{times}", False, WHOLE, ragged=True),)
        return Ranges((), "0", loops, "")
    lines = [
        "earlier = keys - tokens  # keys before the first query",
        f"begin = tl.maximum(first - earlier, 0){times}  # the first row that sees any",
    ]
    seen = "(key <= last[None, :]) & real[None, :]"
    to, end = "", f"tokens{times}"
    if window or chunk:
        lines.append("final = tl.minimum(first + KEYS, keys) - 1")
        to = f"tl.minimum({_last_row('first', window, chunk)} - earlier, tokens)"
        furthest = f"tl.minimum({_last_row('final', window, chunk)} - earlier, tokens)"
        lines.append(f"end = {furthest}{times}  # after the last row that sees any")
        end = "end"
        before = f"last[None, :] < {_last_row('key', window, chunk)}"
        seen = f"(key <= last[None, :]) & ({before}) & real[None, :]"
    if narrow:
        return Ranges(tuple(lines), "begin", (Loop("begin", end, True, PARTLY),), seen)
    lines += [
        f"below = tl.maximum(first + KEYS - 1 - earlier, 0){times} - begin",
        "whole = begin + tl.cdiv(below, ROWS) * ROWS",
    ]
    diagonal = Loop("begin", "whole", True, DIAGONAL)
    if not window and not chunk:
        loops = (diagonal, Loop("whole", end, False, WHOLE, ragged=True))
        return Ranges(tuple(lines), "begin", loops, seen)
    lines.append(f"full = whole + tl.maximum({to}{times} - whole, 0) // ROWS * ROWS")
    loops = (
        diagonal,
        Loop("whole", "full", False, WHOLE),
        Loop("full", end, True, "only some rows see as far back"),
    )
    return Ranges(tuple(lines), "begin", loops, seen)


def _over(rows: str, group: int) -> str:
    return f"{rows} // {group}" if group > 1 else rows


def _first(last: str, window: int | None, chunk: int | None) -> str:
    """The first key that the query at `last` sees."""
    return f"{last} - {window - 1}" if window else f"{last} - ({last} + phase) % {chunk}"


def _last_row(key: str, window: int | None, chunk: int | None) -> str:
    """One after the last query that sees `key`."""
    return f"{key} + {window}" if window else f"{key} + {chunk} - ({key} + phase) % {chunk}"
