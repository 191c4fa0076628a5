"""Sentences in a figure: wrapped, with their numbers set bold."""

from __future__ import annotations

import re

from archspec.draw import metrics
from archspec.draw.scene import Scene, Text, run

_NUMBER = re.compile(
    r"(?<![A-Za-z\d])(\d[\d,]*(?:\.\d+)?(?:\s?(?:[KMGT]i)?B)?[KMBT]?)(?![A-Za-z\d])"
)
SIZE = 10.5
"""Fourteen pixels, at which Graphviz, which counts in whole ones, spaces letters truly."""
LEADING = 1.36


def lines(text: str, room: float, size: float, most: int = 99) -> list[str]:
    """`text` wrapped as if all of it were bold, which is wider."""
    return metrics.wrap(text, room, size, True, most)


def draw(
    scene: Scene, left: float, top: float, written: list[str], size: float, tip: str = ""
) -> float:
    """Paint lines from `top` downwards; gives back where they end."""
    for number, line in enumerate(written):
        y = top - (number + 0.5) * size * LEADING
        parts = [
            Text(0, 0, part, size, at % 2 == 1, "ink" if at % 2 else "muted", tip=tip)
            for at, part in enumerate(_NUMBER.split(line))
            if part
        ]
        scene.add(*run(left, y, parts))
    return top - len(written) * size * LEADING
