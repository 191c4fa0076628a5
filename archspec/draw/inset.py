"""An inset: a graph of operators, its masks, and sentences with its numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from archspec.architecture.graph import Operator, OperatorGraph
from archspec.draw import chips, diagram, metrics, prose, thumbnail
from archspec.draw.plain import differs
from archspec.draw.scene import Box, Scene, Text
from archspec.mechanisms.base import Mechanism

_PAD, _TITLE, _SIZE = 14.0, 12.5, prose.SIZE
_LEAST = 264.0


@dataclass(frozen=True)
class Subject:
    """What an inset shows: a mechanism, or a graph beside the layers; `kinds` use it."""

    title: str
    graph: OperatorGraph
    sentences: tuple[str, ...]
    kinds: Sequence[int] = ()
    mechanism: Mechanism | None = None


@dataclass(frozen=True)
class Inset:
    """A painted panel with its lower left corner at the origin."""

    subject: Subject
    scene: Scene
    width: float
    height: float


def inset(subject: Subject, context: int, least: float = _LEAST) -> Inset:
    """The panel of `subject`, at least `least` wide; masks are drawn for texts of `context`."""
    graph, kinds, title = subject.graph, subject.kinds, subject.title
    flow = diagram.layout(graph)
    shown = kinds[:8]
    chips_width = len(shown) * (chips.SIDE + 3) + (14 if len(kinds) > len(shown) else 0)
    title_width = metrics.width(title, _TITLE, True)
    width = max(least, flow.width + 2 * _PAD, title_width + chips_width + 2 * _PAD + 12)
    masked = [o for o in graph.operators if o.mask is not None]
    captions = dict.fromkeys(o.mask.caption() for o in masked if o.mask)
    # What is chosen among causal ones is causal: the longer caption says both.
    seen = "; ".join(c for c in captions if not any(o.startswith(f"{c},") for o in captions))
    beside = thumbnail.SIDE + 12 if masked else 0.0
    room = width - 2 * _PAD - beside
    sentences = (_sentence(seen), *subject.sentences)
    text = [line for said in sentences for line in prose.lines(said, room, _SIZE)]
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
    return Inset(subject, scene, width, height)


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
