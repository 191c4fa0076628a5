"""A line of an input with a caret below what is meant, in the width of a terminal."""

from __future__ import annotations

from archspec.errors.printing import cells, printable

_BEFORE = 0.6
"""Where the caret stands in a line that is cut at both ends."""
_LONG = 4096
"""No terminal shows more characters of a line."""


def excerpt(line: str, number: int, column: int, width: int, room: int) -> list[str]:
    """Two lines of at most `room` cells: `line` with its number, and the caret.

    `column`, from 1, and `width` count characters of `line`.
    """
    gutter = f"{number:>5} | "
    room = max(20, room - len(gutter))
    at = min(column - 1, len(line))
    first = max(0, at - _LONG)
    shown = [_shown(c) for c in line[first : at + _LONG]]
    wide = [cells(part) for part in shown]
    at -= first
    start = 0
    if sum(wide) > room:
        before = sum(wide[:at])
        # As much of the line's end as there is room for, but never without the caret.
        spare = min(before - int(room * _BEFORE), sum(wide) - room + 1)
        while start < at and spare > 0:
            spare -= wide[start]
            start += 1
    head = "…" if first or start else ""
    end, used = start, len(head)
    while end < len(shown) and used + wide[end] <= room:
        used += wide[end]
        end += 1
    tail = ""
    if end < len(shown) or first + len(shown) < len(line):
        while end > start and used >= room:
            end -= 1
            used -= wide[end]
        tail = "…"
    indent = len(head) + sum(wide[start:at])
    mark = sum(wide[at : min(end, at + width)])
    return [
        f"{gutter}{head}{''.join(shown[start:end])}{tail}".rstrip(),
        f"{' ' * (len(gutter) - 2)}| {' ' * indent}{'^' * max(1, mark)}",
    ]


def _shown(character: str) -> str:
    return " " if character == "\t" else printable(character)
