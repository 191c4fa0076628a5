"""What blocks read beside the stream: the lines on the left of a tower that bring it."""

from __future__ import annotations

from collections.abc import Iterable

from archspec.draw.curves import polyline
from archspec.draw.scene import Box, Curve, Point, Scene, Text
from archspec.graph import OperatorGraph

STATES, VECTOR = "source", "vector"
FEEDS = (STATES, VECTOR)
"""The `shared` operators of a mechanism that a line leads to, by name."""
MARKS = {STATES: "S", VECTOR: "V"}
"""How a line goes on in a tower that another one was cut from."""


def feeds(graph: OperatorGraph) -> set[str]:
    """What a mechanism reads beside the stream, by the names of its `shared` operators."""
    return {o.name for o in graph.operators if o.kind == "shared"}


def lead(scene: Scene, start: Point, x: float, ends: Iterable[Point], pen: float = 1.2) -> None:
    """Paint lines from `start` along `x` to each of `ends`, which lie on the right of it."""
    for end in ends:
        corners = [start, (x, start[1]), (x, end[1]), end]
        scene.add(Curve(polyline(corners), pen=pen, arrow=True))


def mark(scene: Scene, feed: str, x: float, y: float) -> None:
    """Paint the circle where a line goes on."""
    scene.add(Box(x, y, 18, 18, "circle", "strong", "strong"))
    scene.add(Text(x, y, MARKS[feed], 10, True, "strong.ink", "center"))


def clear(wish: float, reach: float, low: float, high: float, taken: Iterable[float]) -> float:
    """The height nearest to `wish`, within `low` … `high`, `reach` away from all of `taken`."""
    lines = [y for y in taken if low < y < high]
    tries = [wish, *(y + side * reach for y in lines for side in (-1, 1))]
    free = [
        y
        for y in tries
        if low + reach <= y <= high - reach and all(abs(y - line) > reach - 0.01 for line in lines)
    ]
    return min(free, key=lambda y: abs(y - wish), default=wish)
