"""How wide a text is in the carried font, so that every machine lays a figure out alike."""

from __future__ import annotations

import json
import unicodedata
from functools import cache, lru_cache
from pathlib import Path

FONTS = Path(__file__).parent / "fonts"

_UNKNOWN, _WIDE, _PICTURE = 650, 1000, 1300
_PICTURES = 0x1F000


@cache
def _advances(bold: bool) -> dict[int, int]:
    """Advance widths by code point, in thousandths of the font size."""
    runs = json.loads((FONTS / "advances.json").read_text("ascii"))["bold" if bold else "regular"]
    return {first + i: width for first, widths in runs for i, width in enumerate(widths)}


@lru_cache(maxsize=4096)
def width(text: str, size: float, bold: bool = False) -> float:
    """The width of one line of `text` in points; what the font lacks is as wide as usual."""
    table = _advances(bold)
    total = sum(table.get(ord(c)) or _usual(c) for c in text)
    return total * size / 1000


def lacking(text: str) -> str:
    """The characters of `text` that the carried font has no glyph for, each once, in order."""
    table = _advances(False)
    return "".join(
        c for c in dict.fromkeys(text) if c != "\n" and ord(c) not in table and _usual(c)
    )


def _usual(character: str) -> int:
    """The advance of a character in most fonts that have it: ideographs fill a square."""
    if unicodedata.category(character) in ("Mn", "Me"):
        return 0
    if unicodedata.east_asian_width(character) in "WF":
        return _PICTURE if ord(character) >= _PICTURES else _WIDE
    return _UNKNOWN


def clip(text: str, room: float, size: float, bold: bool = False) -> str:
    """`text`, shortened with an ellipsis if it is wider than `room`."""
    if len(text) < 4096 and width(text, size, bold) <= room:
        return text
    # No line holds more characters than this, and a text may have thousands.
    kept = text[: int(room / (size * 0.2)) + 1]
    while kept and width(kept + "…", size, bold) > room:
        kept = kept[:-1]
    return kept.rstrip() + "…"


def wrap(text: str, room: float, size: float, bold: bool = False, lines: int = 99) -> list[str]:
    """`text` broken between words into at most `lines` lines of width `room`."""
    out: list[str] = []
    line = ""
    for word in text.split():
        longer = f"{line} {word}" if line else word
        if width(longer, size, bold) <= room:
            line = longer
            continue
        if line:
            out.append(line)
        if len(out) > lines:
            break
        line = word
        # A word without a break that is wider than a line is cut anywhere.
        while width(line, size, bold) > room and len(line) > 1:
            cut = len(line)
            while cut > 1 and width(line[:cut], size, bold) > room:
                cut -= 1
            out.append(line[:cut])
            line = line[cut:]
    if line:
        out.append(line)
    if len(out) > lines:
        out = [*out[: lines - 1], clip(" ".join(out[lines - 1 :]), room, size, bold)]
    return out
