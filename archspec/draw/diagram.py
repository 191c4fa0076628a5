"""An operator graph painted: wires, shapes, and the graphs inside nested operators."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from itertools import pairwise

from archspec.architecture.graph import Operator, OperatorGraph
from archspec.draw import metrics, shapes
from archspec.draw.curves import polyline
from archspec.draw.flow import Flow, Size, Spot, arrange
from archspec.draw.plain import differs
from archspec.draw.scene import Box, Curve, Point, Scene, Text

_MARGIN, _HEADER, _CARDS = 12.0, 24.0, 8.0


def layout(graph: OperatorGraph) -> Flow:
    """Positions of the operators, nested graphs opened."""
    return arrange(graph, partial(_size, graph))


def paint(scene: Scene, graph: OperatorGraph, flow: Flow, x: float, y: float) -> None:
    """Paint a mechanism's graph with the lower left corner of `flow` at (x, y)."""
    wires(scene, graph, flow, x, y)
    for spot in flow.spots:
        operator, at = spot.operator, (x + spot.x, y + spot.y)
        accent = differs(operator, graph, inside=True)
        if operator.inside:
            _nested(scene, graph, spot, operator.inside, at, accent)
        else:
            shapes.draw(scene, operator, *at, Size(spot.w, spot.h, spot.round), accent)


def wires(scene: Scene, graph: OperatorGraph, flow: Flow, x: float, y: float) -> None:
    """Paint the lines of a flow, with the names of their values."""
    # A value that arrives twice has one line, with both names.
    names: dict[tuple[float, float], list[str]] = {}
    for wire in flow.wires:
        if wire.edge.label:
            names.setdefault(wire.label, []).append(wire.edge.label)
    lines = [[(x + a, y + b) for a, b in wire.corners] for wire in flow.wires]
    for wire, corners in zip(flow.wires, lines, strict=True):
        scene.add(Curve(polyline(corners), arrow=flow[wire.edge.target].h > 0))
    written: list[Text] = []
    for wire in flow.wires:
        if label := ", ".join(names.pop(wire.label, [])):
            right = x + wire.label[0]
            # Beside its line on the right, else on the left, else not at all.
            beside = (
                Text(right, y + wire.label[1], label, shapes.DETAIL, True, "muted"),
                Text(right - 8, y + wire.label[1], label, shapes.DETAIL, True, "muted", "right"),
            )
            free = (text for text in beside if _is_free(text, lines, written))
            written += [text for text in (next(free, None),) if text]
    scene.add(*written)


def _is_free(text: Text, lines: list[list[Point]], written: list[Text]) -> bool:
    """Whether no line and no other text crosses `text`."""
    half = text.size * 0.45 + 0.2
    left, right, low, high = text.left, text.left + text.width, text.y - half, text.y + half
    for corners in lines:
        for (ax, ay), (bx, by) in pairwise(corners):
            if (
                min(ax, bx) < right
                and left < max(ax, bx)
                and min(ay, by) < high
                and low < max(ay, by)
            ):
                return False
            if ax == bx and left < ax < right and min(ay, by) < high and low < max(ay, by):
                return False
    return not any(
        other.left < right and left < other.left + other.width and abs(other.y - text.y) < 2 * half
        for other in written
    )


def _size(graph: OperatorGraph, operator: Operator) -> Size:
    if not operator.inside:
        return shapes.measure(operator)
    inner = layout(operator.inside)
    title = metrics.width(_title(graph, operator), shapes.LABEL, True)
    cards = _CARDS if _copies(graph, operator) > 1 else 0.0
    width = max(inner.width, title) + 2 * _MARGIN
    return Size(width + 2 * cards, inner.height + _HEADER + _MARGIN + cards)


def _copies(graph: OperatorGraph, operator: Operator) -> int:
    """How many of `operator` a router chooses from."""
    sources = [graph[e.source] for e in graph.edges if e.target == operator.name]
    return max((s.shape[-1] for s in sources if s.kind == "router"), default=1)


def _title(graph: OperatorGraph, operator: Operator) -> str:
    copies = _copies(graph, operator)
    return f"{operator.label} 1 … {copies:,}" if copies > 1 else operator.label


def _nested(
    scene: Scene,
    graph: OperatorGraph,
    spot: Spot,
    inside: OperatorGraph,
    at: tuple[float, float],
    accent: bool,
) -> None:
    """A module that is opened: a card with its graph, on a stack of cards if there are many."""
    inner = layout(inside)
    many = _copies(graph, spot.operator) > 1
    cards = _CARDS if many else 0.0
    x, y = at[0], at[1] - cards / 2
    width, height = spot.w - 2 * cards, spot.h - cards
    line = "accent" if accent else "wire"
    if many:
        for step in (1.0, 0.5):
            behind = Box(x + step * cards, y + step * cards, width, height, "round", "box", line)
            scene.add(replace(behind, above=True, pen=0.9))
    scene.add(Box(x, y, width, height, "round", "panel", line, 1.8 if accent else 0.9))
    top = y + height / 2
    title = _title(graph, spot.operator)
    label = metrics.clip(title, width - 12, shapes.LABEL, True)
    scene.add(Text(x, top - _HEADER / 2, label, shapes.LABEL, True, "ink", "center"))
    paint(scene, inside, inner, x - inner.width / 2, y - height / 2 + _MARGIN / 2)
