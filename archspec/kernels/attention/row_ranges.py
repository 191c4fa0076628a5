"""The rows that see a tile of keys: bounds, loops and masks of kernels that go over rows."""

from __future__ import annotations

from archspec.kernels.attention.ranges import (
    BOUNDED,
    CLOSES,
    DIAGONAL,
    FAR,
    OPENS,
    PARTLY,
    TEXT,
    WHOLE,
    Loop,
    Ranges,
    View,
)


def row_ranges(view: View) -> Ranges:
    """The rows that see a tile of keys, beginning at key `first`."""
    times = view.times
    if not view.causal:
        lines = [
            f"end = tokens{times}",
            *TEXT,
            "    end = tl.where((first + KEYS > opens) & (first < closes), end, 0)",
        ]
        return Ranges(tuple(lines), (Loop("0", "end", False, WHOLE, ragged=True),), "")
    lines = [
        "earlier = keys - tokens  # keys before the first query",
        "final = tl.minimum(first + KEYS, keys) - 1",
        f"begin = tl.maximum(first - earlier, 0){times}  # the first row that sees any",
    ]
    if view.prefix:
        lines.append("begin = tl.where(first < prefix, 0, begin)")
    seen = "(key <= last[None, :])"
    if view.near:
        lines.append(
            f"end = tl.minimum({view.after('final')} - earlier, tokens){times}"
            "  # after the last row that sees any"
        )
        seen += " & (key >= since[None, :])"
    else:
        lines.append(f"end = tokens{times}")
    if view.prefix and view.near:
        lines.append(f"end = tl.where(first < prefix, tl.maximum(end, prefix{times}), end)")
    seen += " & real[None, :]"
    lines += [f"{BOUNDED}  # no row beyond the texts of these keys", OPENS, CLOSES]
    if view.prefix:
        opens = "tl.load(opens_at + first)"
        lines.append(f"    begin = tl.where(first < {opens} + prefix, {opens}, first){times}")
    lines.append(f"    end = {view.after_of('final')}{times}")
    rows = tuple(_row_bounds(view))
    if view.narrow:
        return Ranges(tuple(lines), (Loop("begin", "end", True, PARTLY),), seen, rows=rows)
    lines += [
        f"below = tl.maximum(first + KEYS - 1 - earlier, 0){times} - begin",
        "whole = begin + tl.cdiv(tl.maximum(below, 0), ROWS) * ROWS",
        *_whole_rows(view),
    ]
    loops = (
        Loop("begin", "whole", True, DIAGONAL),
        Loop("whole", "full", False, WHOLE, ragged=not view.near),
        Loop("full", "end", True, FAR),
    )
    within = "" if view.near else "key >= since[None, :]"
    return Ranges(tuple(lines), loops, seen, rows=rows, within=within)


def _row_bounds(view: View) -> list[str]:
    """The first and the last key that each row of a tile sees."""
    lines = [f"last = earlier + {'token' if view.grouped else 'row'}"]
    lines += [f"since = {view.first('last')}"] if view.near else []
    if view.prefix and view.near:
        lines.append("since = tl.where(last < prefix, 0, since)")
    lines += ["reach = prefix"] if view.prefix else []
    opens = "tl.load(opens_at + last, mask=real, other=0)"
    lines.append(BOUNDED)
    if not view.prefix:
        return [*lines, f"    since = {view.first_of('last', opens, 'since')}"]
    since = view.first_of("last", "opens", "since")
    since = f"tl.where(last < opens + prefix, opens, {since})" if view.near else "opens"
    closes = "tl.load(closes_at + last, mask=real, other=0)"
    return [
        *lines,
        f"    opens = {opens}",
        f"    since = {since}",
        f"    reach = tl.minimum(opens + prefix, {closes})",
        "last = tl.where(last < reach, reach - 1, last)",
    ]


def _whole_rows(view: View) -> list[str]:
    """Where the rows end that see every key of a tile."""
    full, times = "whole + tl.maximum(until - whole, 0) // ROWS * ROWS", view.times
    bounded = [BOUNDED, f"    until = {view.after_of('first')}{times}"]
    if not view.near:
        return ["full = end", *bounded, f"    full = {full}"]
    until = f"until = tl.minimum({view.after('first')} - earlier, tokens){times}"
    return [f"{until}  # the same for the first of these keys", *bounded, f"full = {full}"]
