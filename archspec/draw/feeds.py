"""What blocks read beside the stream: the lines on the left of a tower that bring it."""

from __future__ import annotations

from collections.abc import Iterable

from archspec.architecture.graph import OperatorGraph
from archspec.draw.curves import polyline
from archspec.draw.scene import Box, Curve, Point, Scene, Text

STATES, VECTOR = "source", "vector"
FEEDS = (STATES, VECTOR)
"""The `shared` operators of a mechanism that a line leads to, by name."""
MARKS = {STATES: "S", VECTOR: "V"}
"""How a line goes on in a tower that was cut from another one."""
ROUND = 9.0


def feeds(graph: OperatorGraph) -> set[str]:
    """What a mechanism reads beside the stream, by the names of its `shared` operators."""
    return {o.name for o in graph.operators if o.kind == "shared"}


def lead(scene: Scene, start: Point, x: float, ends: Iterable[Point], pen: float = 1.2) -> None:
    """Paint lines from `start` along `x` to each of `ends`, which lie on the right of it."""
    for end in ends:
        corners = [start, (x, start[1]), (x, end[1]), end]
        scene.add(Curve(polyline(corners), pen=pen, arrow=True))


def resume(scene: Scene, feed: str, x: float, ends: list[Point]) -> None:
    """Paint a lettered circle level with the lowest of `ends`, and lines from it to each."""
    y = ends[0][1]
    scene.add(Box(x, y, 2 * ROUND, 2 * ROUND, "circle", "strong", "strong"))
    scene.add(Text(x, y, MARKS[feed], 10, True, "strong.ink", "center"))
    lead(scene, (x + ROUND, y), x + ROUND, ends[:1])
    lead(scene, (x, y + ROUND), x, ends[1:])


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
