"""Masks as integer bounds: which tiles a kernel visits, and where a tile needs a mask.

Positions are counted in keys: the queries are the last `tokens` of `keys`, so query t stands at
`earlier + t`. A row sees the keys from `since` to `last`; a tile is whole where every row of it
sees every key. Tiles are laid from `begin` on, so that what lies in front of it costs nothing.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class View:
    """What a query sees: all keys or earlier ones, in a window or chunk, beside a prefix.

    `group` query heads of each token are rows of a tile. Where the view is `narrow` hardly a tile
    is whole, and one loop with a mask reads them all.
    """

    causal: bool
    window: int | None
    chunk: int | None
    prefix: bool
    narrow: bool
    group: int
    padded: bool = True
    """Whether texts may have padding; where they have none, the first key is in slot 0."""

    @property
    def times(self) -> str:
        """What a count of tokens is multiplied by for a count of rows."""
        return f" * {self.group}" if self.group > 1 else ""

    @property
    def near(self) -> bool:
        """Whether a row sees less than all before it."""
        return bool(self.window or self.chunk)

    def first(self, last: str) -> str:
        """The first key that the query at `last` sees."""
        if self.window:
            return f"{last} - {self.window - 1}"
        return f"{last} - {self._in_chunk(last)}"

    def _in_chunk(self, key: str) -> str:
        return f"({key} + phase) % {self.chunk}" if self.padded else f"{key} % {self.chunk}"

    def after(self, key: str) -> str:
        """One after the last query that sees `key`."""
        if self.window:
            return f"{key} + {self.window}"
        return f"{key} + {self.chunk} - {self._in_chunk(key)}"


@dataclass(frozen=True)
class Loop:
    """A loop over tiles from `begin` to `end`."""

    begin: str
    end: str
    masked: bool
    why: str
    ragged: bool = False
    """Its last tile may have rows that do not exist; what is masked has that too."""

    over: str = ""
    """What it counts, where its tiles do not lie side by side."""

    lines: tuple[str, ...] = ()
    """What it says first of each tile: where that lies, where it counts something else."""


@dataclass(frozen=True)
class Ranges:
    """The statements that bound the loops of a kernel, the loops, and the mask inside them."""

    lines: tuple[str, ...]
    loops: tuple[Loop, ...]
    seen: str
    begin: str = "begin"
    """The first key of the first tile."""

    rows: tuple[str, ...] = ()
    """What a loop over rows says of each tile before its mask."""

    of_keys: tuple[str, ...] = ()
    """What it says of each key, once."""

    @property
    def jumps(self) -> bool:
        """Whether a tile says where it lies, rather than that it lies behind the one before."""
        return any(loop.over for loop in self.loops)


WHOLE = "every row sees the whole tile"
PARTLY = "some rows see a part of the tile"
DIAGONAL = "the diagonal"
FAR = "only some rows see as far back"
PADDED = "if bounds_ptr is not None:"
TEXT = [
    "opens, closes = 0, keys  # where the text begins and ends",
    PADDED,
    "    opens = tl.load(bounds_ptr + 2 * sequence)",
    "    closes = tl.load(bounds_ptr + 2 * sequence + 1)",
]
WITHIN = [
    f"{PADDED}  # no key in front of the text, and no row outside",
    "    begin = tl.where(lowest < closes, tl.maximum(begin, opens), closes)",
    "    highest = tl.minimum(highest, closes - 1)",
    "    lowest = tl.minimum(tl.maximum(lowest, opens), highest)",
]


def key_ranges(view: View) -> Ranges:
    """The keys that a tile of rows sees; the rows of a tile are `group` heads of each token."""
    if not view.causal:
        return _all_keys(view)
    token, group = ("token", view.group) if view.group > 1 else ("row", 1)
    past = f"(tile * ROWS + ROWS - 1){f' // {group}' if group > 1 else ''}"
    lines = [
        "earlier = keys - tokens  # keys before the first query",
        f"last = earlier + {token}  # the last key a row sees, its own",
        f"lowest = earlier + {'start' if group > 1 else 'tile * ROWS'}",
        f"highest = earlier + tl.minimum({past}, tokens - 1)",
    ]
    lines += _text(view)
    lines.append(f"begin = tl.maximum({view.first('lowest')}, 0)" if view.near else "begin = 0")
    if view.prefix and view.near:
        lines.append("begin = tl.where(lowest < prefix, 0, begin)")
    lines += WITHIN if view.padded else []
    seen, stop = "key[None, :] <= last[:, None]", "highest + 1"
    lines += _row_bounds(view)
    if view.near:
        seen = f"({seen}) & (key[None, :] >= since[:, None])"
    if view.prefix:
        stop = "stop"
        lines.append("stop = tl.where(lowest < prefix, tl.maximum(stop, prefix), stop)")
        lines.insert(-1, "stop = highest + 1")
    if view.narrow:
        return Ranges(tuple(lines), (Loop("begin", stop, True, PARTLY),), seen)
    inside = "begin + tl.maximum(lowest + 1 - begin, 0) // KEYS * KEYS"
    if not view.near:
        lines.append(f"full = {inside}")
        loops = (Loop("begin", "full", False, WHOLE), Loop("full", stop, True, DIAGONAL))
        return Ranges(tuple(lines), loops, seen)
    lines += [
        f"far = {view.first('highest')}",
        "edge = begin + tl.cdiv(tl.maximum(far - begin, 0), KEYS) * KEYS",
        f"full = tl.maximum({inside}, edge)",
    ]
    loops = (
        Loop("begin", "edge", True, FAR),
        Loop("edge", "full", False, WHOLE),
        Loop("full", stop, True, DIAGONAL),
    )
    return Ranges(tuple(lines), loops, seen)


def row_ranges(view: View) -> Ranges:
    """The rows that see a tile of keys, beginning at key `first`."""
    times = view.times
    if not view.causal:
        lines = [
            f"end = tokens{times}",
            *_text(view),
            "    end = tl.where((first + KEYS > opens) & (first < closes), end, 0)",
        ]
        return Ranges(tuple(lines), (Loop("0", "end", False, WHOLE, ragged=True),), "")
    lines = [
        "earlier = keys - tokens  # keys before the first query",
        f"begin = tl.maximum(first - earlier, 0){times}  # the first row that sees any",
    ]
    lines += _text(view)
    if view.prefix:
        lines.append("begin = tl.where(first < prefix, 0, begin)")
    seen, to = "(key <= last[None, :])", f"tokens{times}"
    rows = [f"last = earlier + {'token' if view.group > 1 else 'row'}", *_row_bounds(view)]
    if view.near:
        lines += [
            "final = tl.minimum(first + KEYS, keys) - 1",
            f"end = tl.minimum({view.after('final')} - earlier, tokens){times}"
            "  # after the last row that sees any",
        ]
        to = f"tl.minimum({view.after('first')} - earlier, tokens){times}"
        seen += " & (key >= since[None, :])"
    else:
        lines.append(f"end = {to}")
    if view.prefix and view.near:
        lines.append(f"end = tl.where(first < prefix, tl.maximum(end, prefix{times}), end)")
    seen += " & real[None, :]"
    lines += [
        f"{PADDED}  # no row outside the text, and none for keys in front of it",
        f"    end = tl.minimum(end, closes{times})",
        f"    begin = tl.where(first + KEYS > opens, tl.maximum(begin, opens{times}), end)",
    ]
    if view.narrow:
        loops = (Loop("begin", "end", True, PARTLY),)
        return Ranges(tuple(lines), loops, seen, rows=tuple(rows))
    lines += [
        f"below = tl.maximum(first + KEYS - 1 - earlier, 0){times} - begin",
        "whole = begin + tl.cdiv(tl.maximum(below, 0), ROWS) * ROWS",
    ]
    diagonal = Loop("begin", "whole", True, DIAGONAL)
    if not view.near:
        loops = (diagonal, Loop("whole", "end", False, WHOLE, ragged=True))
        return Ranges(tuple(lines), loops, seen, rows=tuple(rows))
    lines.append(f"full = whole + tl.maximum({to} - whole, 0) // ROWS * ROWS")
    loops = (
        diagonal,
        Loop("whole", "full", False, WHOLE),
        Loop("full", "end", True, FAR),
    )
    return Ranges(tuple(lines), loops, seen, rows=tuple(rows))


def _all_keys(view: View) -> Ranges:
    lines = (
        *_text(view),
        "full = opens + (closes - opens) // KEYS * KEYS",
    )
    loops = (
        Loop("opens", "full", False, WHOLE),
        Loop("full", "closes", True, "where the keys end"),
    )
    return Ranges(lines, loops, "key[None, :] < closes", begin="opens")


def _text(view: View) -> list[str]:
    """Where a padded text begins and ends, and what is counted from there."""
    lines = [*TEXT] if view.padded else []
    lines += [f"    phase = {view.chunk} - opens % {view.chunk}"] if view.chunk and lines else []
    return lines + (["    prefix = tl.minimum(opens + prefix, closes)"] if view.prefix else [])


def _row_bounds(view: View) -> list[str]:
    """From `last`, the row's own place: the first key that it sees, and the last."""
    lines = [f"since = {view.first('last')}"] if view.near else []
    if view.prefix:
        lines += ["since = tl.where(last < prefix, 0, since)"] if view.near else []
        lines.append("last = tl.where(last < prefix, prefix - 1, last)")
    return lines
