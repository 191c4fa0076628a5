"""The mark of a block kind: a letter on its colour, so that neither has to be told alone."""

from __future__ import annotations

from collections.abc import Sequence

from archspec.draw.scene import Box, Scene, Text
from archspec.draw.theme import KINDS

SIDE = 13.0


def letter(kind: int) -> str:
    """`A` for the first block kind; further ones after `Z` get two letters."""
    first, last = divmod(kind, 26)
    return ("" if not first else chr(64 + first)) + chr(65 + last)


def colour(kind: int) -> str:
    """The colour role of a block kind."""
    return f"kind{kind % KINDS}"


def swatch(
    scene: Scene, kind: int, x: float, y: float, w: float, h: float, pen: float, tip: str = ""
) -> None:
    """Paint a box of the kind's colour; where colours repeat they are paler, with bands."""
    own, turn = colour(kind), kind // KINDS
    if not turn:
        scene.add(Box(x, y, w, h, "box", own, own, pen, tip=tip))
        return
    scene.add(Box(x, y, w, h, "box", f"{own}.pale", own, pen, tip=tip))
    band = h * 0.17
    # A band below, above, or both: what a letter too thin to read would have said.
    ends = ((-1,), (1,), (-1, 1))[(turn - 1) % 3]
    for end in ends:
        scene.add(Box(x, y + end * (h - band) / 2, w, band, "box", own, own, 0, tip=tip))


def draw(scene: Scene, kind: int, x: float, y: float, tip: str = "", side: float = SIDE) -> None:
    """Paint the chip of `kind` around (x, y)."""
    swatch(scene, kind, x, y, side, side, 0.5, tip)
    size = side * (0.66 if kind < 26 else 0.5)
    scene.add(Text(x, y, letter(kind), size, True, "on.kind", "center", tip))


def row(scene: Scene, kinds: Sequence[int], right: float, y: float) -> float:
    """Paint chips that end at `right`; gives back where they begin."""
    for place, kind in enumerate(reversed(kinds)):
        draw(scene, kind, right - SIDE / 2 - place * (SIDE + 3), y)
    return right - len(kinds) * (SIDE + 3)
