"""Lines as Bézier control points: orthogonal ones with round corners, and braces."""

from __future__ import annotations

from math import dist

from archspec.draw.scene import Point

RADIUS = 6.0
_ARC = 0.5523  # The handle of a quarter circle.


def polyline(points: list[Point], radius: float = RADIUS) -> tuple[Point, ...]:
    """Straight lines through `points`, each corner rounded as far as its sides allow."""
    points = _without_repeats(points)
    out = [points[0]]
    for before, corner, after in zip(points, points[1:], points[2:], strict=False):
        r = min(radius, dist(before, corner) / 2, dist(corner, after) / 2)
        start, end = _towards(corner, before, r), _towards(corner, after, r)
        out += _straight(out[-1], start)
        out += [_towards(start, corner, r * _ARC), _towards(end, corner, r * _ARC), end]
    return tuple(out + _straight(out[-1], points[-1]))


def brace(x: float, low: float, high: float, tip: float, width: float = 8.0) -> tuple[Point, ...]:
    """A curly brace that opens to the right: ends at `x`, its tip at (x − width, `tip`)."""
    top, bottom = _half_brace(x, high, tip, width), _half_brace(x, low, tip, width)
    return tuple(top + bottom[-2::-1])


def _half_brace(x: float, end: float, tip: float, width: float) -> list[Point]:
    """From an end of the brace to its tip, which lies above or below."""
    half = width / 2
    spine, bend = x - half, min(width, abs(end - tip) / 2)
    bend = bend if end > tip else -bend
    return [
        (x, end),
        *((x - half * 0.9, end), (spine, end - bend * 0.3), (spine, end - bend)),
        *_straight((spine, end - bend), (spine, tip + bend)),
        *((spine, tip + bend * 0.4), (x - width * 0.9, tip), (x - width, tip)),
    ]


def _without_repeats(points: list[Point]) -> list[Point]:
    """Without points that coincide with their predecessor or lie on a straight line."""
    out = [points[0]]
    for index, point in enumerate(points[1:], start=1):
        if dist(point, out[-1]) < 0.01:
            continue
        if index + 1 < len(points):
            (ax, ay), (bx, by), (cx, cy) = out[-1], point, points[index + 1]
            if abs((bx - ax) * (cy - ay) - (by - ay) * (cx - ax)) < 0.01:
                continue
        out.append(point)
    return out if len(out) > 1 else [points[0], points[-1]]


def _towards(a: Point, b: Point, length: float) -> Point:
    whole = dist(a, b)
    if whole < 1e-9:
        return a
    return (a[0] + (b[0] - a[0]) * length / whole, a[1] + (b[1] - a[1]) * length / whole)


def _straight(a: Point, b: Point) -> list[Point]:
    third = ((b[0] - a[0]) / 3, (b[1] - a[1]) / 3)
    return [
        (a[0] + third[0], a[1] + third[1]),
        (a[0] + 2 * third[0], a[1] + 2 * third[1]),
        b,
    ]
