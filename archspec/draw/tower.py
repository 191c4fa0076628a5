"""The tower: tokens, embedding, the segments of the schedule with their repeats, output."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import ceil

from archspec.architecture import Architecture
from archspec.draw import block as blocks
from archspec.draw import facts, metrics
from archspec.draw.block import Anchor, Part
from archspec.draw.curves import brace, polyline
from archspec.draw.scene import Box, Curve, Scene, Text
from archspec.graph import OperatorGraph
from archspec.mechanisms.base import Mechanism
from archspec.schedule import Run

_GUTTER, _BETWEEN, _PAD = 50.0, 16.0, 11.0
_TALLEST = 1150.0
_MOST = 14
"""A taller tower is cut; with more segments it shows kinds and leaves their order to the ribbon."""


class Ledger:
    """What towers share: layouts by block, and which blocks and mechanisms were shown."""

    def __init__(self, architecture: Architecture) -> None:
        """Nothing is shown yet."""
        self.graphs = {b.name: b.graph(architecture.hidden_size) for b in architecture.blocks}
        self.kinds = {block.name: n for n, block in enumerate(architecture.blocks)}
        self.half = blocks.half_width(list(self.graphs.values()), list(self.graphs))
        self.seen: dict[str, object] = {}
        self.known: list[Mechanism] = []


@dataclass
class Tower:
    """`items` of the schedule painted around x = 0, and where notes belong.

    `number` is its place among the towers that a long schedule is cut into, and `last` whether
    it is the last of them.
    """

    architecture: Architecture
    ledger: Ledger
    items: tuple[str | Run, ...]
    number: int = 0
    last: bool = True
    scene: Scene = field(default_factory=Scene)
    anchors: list[Anchor] = field(default_factory=list[Anchor])
    stops: list[float] = field(default_factory=list[float])
    left: float = 0.0
    right: float = 0.0
    top: float = 0.0
    entrance: tuple[float, float] = (0.0, 0.0)

    def __post_init__(self) -> None:
        """Paint from the bottom to the top."""
        self._half = self.ledger.half
        self._counted = bool(self.items)
        self._behind = Scene()
        y = self._connector(self.number, 9.0) + 9 if self.number else self._embedding()
        # A schedule too irregular for the tower leaves the order to the ribbon.
        items = self.items or tuple(block.name for block in self.architecture.blocks)
        for item in items:
            y = self._item(item, self._wire(y))
            self.stops.append(y)
        if not self._counted:
            middle, edge = (self.stops[-1] + self.stops[0]) / 2, -self._half - 8
            for line, up in (("order as", 6), ("in ribbon", -6)):
                self.scene.add(Text(edge, middle + up, line, 9, ink="muted", align="right"))
        y = self._output(y) if self.last else self._connector(self.number + 1, self._wire(y) + 9)
        depth = max((_height(item) for item in items), default=0)
        self.left = min(self.left, -self._half - _GUTTER * (depth + 1))
        self.right = max(self.right, self._half + 8 * depth)
        self.scene.items = self._behind.items + self.scene.items
        self.top = y + (0 if self.last else 9)

    def _connector(self, number: int, y: float) -> float:
        """A numbered circle where a tower goes on in the next one."""
        self.scene.add(Box(0, y, 18, 18, "circle", "strong", "strong"))
        self.scene.add(Text(0, y, str(number), 10, True, "strong.ink", "center"))
        return y

    def _embedding(self) -> float:
        graph = self.architecture.embedding_graph
        laid = blocks.flow(graph)
        x = laid.entry - laid.exit
        self.scene.add(Text(x, 7, "token ids", 10, ink="muted", align="center"))
        blocks.paint(self.scene, graph, laid, -laid.exit, 16)
        spot = laid["embed_tokens"]
        right = laid.width - laid.exit
        self.entrance = (right, 16 + spot.y)
        self.left = min(0.0, -laid.exit)
        return 16 + laid.height

    def _output(self, y: float) -> float:
        graph: OperatorGraph = self.architecture.head_graph
        laid = blocks.flow(graph)
        blocks.paint(self.scene, graph, laid, -laid.entry, y)
        y += laid.height
        self.scene.add(Curve(polyline([(0, y - 1), (0, y + 12)]), arrow=True))
        head = self.architecture.head
        width = self.architecture.vocab_size if head else self.architecture.hidden_size
        text = f"{'logits' if head else 'hidden states'}  {width:,}"
        self.scene.add(Text(0, y + 20, text, 10, ink="muted", align="center"))
        return y + 27

    def _item(self, item: str | Run, y: float) -> float:
        if isinstance(item, str):
            return self._block(item, 1, y)
        if len(item.items) == 1 and isinstance(item.items[0], str):
            return self._block(item.items[0], item.times, y)
        bottom = y
        self.scene.add(Curve(polyline([(0, y), (0, y + _PAD - 6)])))
        y += _PAD - 6
        for inner in item.items:
            y = self._item(inner, self._wire(y))
        self.scene.add(Curve(polyline([(0, y), (0, y + _PAD)])))
        y += _PAD
        level = _height(item)
        left, right = -self._half - _GUTTER * level, self._half + 8 * level
        middle, width = (left + right) / 2, right - left
        frame = Box(middle, (bottom + y) / 2, width, y - bottom, "round", "none", "muted", 0.9)
        self._behind.items.insert(0, replace(frame, stroke="dashed"))
        self._times(item.times, left, bottom, y)
        return y

    def _block(self, name: str, times: int, y: float) -> float:
        part = self._part(name)
        self.scene.place(part.scene, 0, y)
        for anchor in part.anchors:
            self.anchors.append(Anchor(anchor.mechanism, anchor.x, y + anchor.y))
        if self._counted:
            self._times(times, -self._half, y, y + part.height)
        return y + part.height

    def _part(self, name: str) -> Part:
        architecture, ledger = self.architecture, self.ledger
        kind, graph = ledger.kinds[name], ledger.graphs[name]
        block = architecture.blocks[kind]
        if name in ledger.seen:
            return blocks.again(block, kind, self._half)
        wiring = blocks.wiring(graph)
        like = next((k for k, seen in ledger.seen.items() if seen == wiring), None)
        ledger.seen[name] = wiring
        number = facts.count(architecture, block)
        layers = f"{number:,} layer" + ("" if number == 1 else "s")
        known = tuple(ledger.known)
        ledger.known += [branch.body for branch in block.branches]
        if like is None or len(block.branches) < 2:
            return blocks.full(block, kind, graph, self._half, layers, known)
        return blocks.compact(block, kind, graph, self._half, layers, known, ledger.kinds[like])

    def _times(self, times: int, left: float, low: float, high: float) -> None:
        text, size = f"{times:,} ×", 14.0 if times > 1 else 10.0
        x = left - 5
        if times > 1 and high - low > 40:
            self.scene.add(Curve(brace(x, low + 3, high - 3), "ink", 1.2))
            x -= 10
        ink = "ink" if times > 1 else "muted"
        fit = min(size, size * (_GUTTER - 18) / metrics.width(text, size, True))
        self.scene.add(Text(x - 2, (low + high) / 2, text, fit, True, ink, "right"))

    def _wire(self, y: float) -> float:
        self.scene.add(Curve(polyline([(0, y), (0, y + _BETWEEN)]), arrow=True))
        return y + _BETWEEN


def towers(architecture: Architecture) -> list[Tower]:
    """The tower, cut between segments into several where it would be taller than a page."""
    items = architecture.schedule.items
    if _segments(architecture.schedule) > _MOST:
        items = ()
    whole = Tower(architecture, Ledger(architecture), items)
    if whole.top <= _TALLEST or len(items) < 2:
        return [whole]
    parts = ceil(whole.top / _TALLEST)
    groups: list[list[str | Run]] = [[]]
    for item, stop in zip(items, whole.stops, strict=True):
        if groups[-1] and stop > len(groups) * (whole.top / parts) * 1.04:
            groups.append([])
        groups[-1].append(item)
    ledger, last = Ledger(architecture), len(groups) - 1
    return [Tower(architecture, ledger, tuple(g), n, n == last) for n, g in enumerate(groups)]


def _height(item: str | Run) -> int:
    """How deep frames nest in an item of the schedule."""
    if isinstance(item, str) or (len(item.items) == 1 and isinstance(item.items[0], str)):
        return 0
    return 1 + max(_height(inner) for inner in item.items)


def _segments(item: str | Run) -> int:
    return 1 if isinstance(item, str) else sum(_segments(inner) for inner in item.items)
