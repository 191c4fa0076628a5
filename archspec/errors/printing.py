"""Text from a stranger on a terminal: nothing unseen, and as wide as it is counted."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection

_BLANK_LETTERS = frozenset("\u115f\u1160\u2800\u3164\uffa0")
"""What Unicode calls letters and symbols, and nobody sees."""


def is_seen(character: str) -> bool:
    """Whether a reader sees `character`, or sees a space for it.

    Nobody sees control and format characters (marks of direction, zero-width ones), halves of
    surrogate pairs, noncharacters and code points that are private or mean nothing yet.
    """
    if character.isprintable():
        return character not in _BLANK_LETTERS
    return unicodedata.category(character) == "Zs"


def printable(text: str) -> str:
    """`text` with every character that is not seen written as an escape, on one line."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_shown(c) for c in text)


def cells(text: str) -> int:
    """How many columns of a terminal `text` takes: ideographs two, combining marks none."""
    if text.isascii():
        return len(text)
    return sum(_cells(c) for c in text)


def clipped(text: str, most: int) -> str:
    """`text`, printable and of at most `most` characters."""
    return printable(text if len(text) <= most else f"{text[: most - 1]}…")


def listed(names: Collection[str], most: int = 12) -> str:
    """`a, b, c and 5 more`, each printable and short."""
    shown = [clipped(name, 40) for name, _ in zip(names, range(most), strict=False)]
    more = len(names) - len(shown)
    return ", ".join(shown) + (f" and {more:,} more" if more else "")


def _shown(character: str) -> str:
    if not is_seen(character):
        return ascii(character)[1:-1]
    return character if character.isprintable() else " "


def _cells(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
