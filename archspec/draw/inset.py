"""The inset of one mechanism: its operators, its mask, and a sentence with its numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from archspec.draw import chips, diagram, facts, metrics, prose, thumbnail
from archspec.draw.plain import differs
from archspec.draw.scene import Box, Scene, Text
from archspec.graph import Operator, OperatorGraph
from archspec.mechanisms.base import Mechanism

_PAD, _TITLE, _SIZE = 14.0, 12.5, prose.SIZE
_LEAST = 264.0


@dataclass(frozen=True)
class Inset:
    """A painted panel with its lower left corner at the origin."""

    mechanism: Mechanism
    kinds: Sequence[int]
    scene: Scene
    width: float
    height: float


def inset(
    mechanism: Mechanism,
    kinds: Sequence[int],
    hidden_size: int,
    context: int,
    least: float = _LEAST,
) -> Inset:
    """The panel of `mechanism`, which the block kinds `kinds` use, at least `least` wide."""
    graph = mechanism.graph(hidden_size)
    flow = diagram.layout(graph)
    shown = kinds[:8]
    chips_width = len(shown) * (chips.SIDE + 3) + (14 if len(kinds) > len(shown) else 0)
    title = mechanism.title()
    title_width = metrics.width(title, _TITLE, True)
    width = max(least, flow.width + 2 * _PAD, title_width + chips_width + 2 * _PAD + 12)
    masked = [o for o in graph.operators if o.mask is not None]
    caption = facts.weighs(mechanism, hidden_size)
    seen = "; ".join(dict.fromkeys(o.mask.caption() for o in masked if o.mask))
    beside = thumbnail.SIDE + 12 if masked else 0.0
    room = width - 2 * _PAD - beside
    text = [*prose.lines(_sentence(seen), room, _SIZE), *prose.lines(caption, room, _SIZE)]
    tall = len(text) * _SIZE * prose.LEADING
    foot = max(tall, len(masked) * (thumbnail.SIDE + 8) - 8 if masked else 0.0)
    height = _PAD + foot + 12 + flow.height + 10 + 18 + _PAD

    scene = Scene()
    scene.add(Box(width / 2, height / 2, width, height, "round", "panel", "rule", 1.0))
    head = height - _PAD - 7
    fits = width - 2 * _PAD - chips_width - 6
    scene.add(Text(_PAD, head, metrics.clip(title, fits, _TITLE, True), _TITLE, True))
    right = width - _PAD
    if len(kinds) > len(shown):
        scene.add(Text(right, head, "…", _TITLE, True, "muted", "right"))
        right -= 14
    chips.row(scene, shown, right, head)
    bottom = _PAD + foot + 12
    diagram.paint(scene, graph, flow, (width - flow.width) / 2, bottom)
    _foot(scene, masked, graph, context, foot)
    prose.draw(scene, _PAD + beside, _PAD + foot / 2 + tall / 2, text, _SIZE)
    return Inset(mechanism, kinds, scene, width, height)


def _sentence(words: str) -> str:
    return f"{words[:1].upper()}{words[1:]}." if words else ""


def _foot(
    scene: Scene, masked: list[Operator], graph: OperatorGraph, context: int, height: float
) -> None:
    top = _PAD + height
    for operator in masked:
        assert operator.mask is not None
        accent = differs(operator, graph, inside=True)
        thumbnail.draw(scene, operator.mask, context, _PAD, top, accent)
        top -= thumbnail.SIDE + 8
