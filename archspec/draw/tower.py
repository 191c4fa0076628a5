"""A tower: tokens, embedding, the segments of a stack with their repeats, output."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from archspec.architecture.model import Architecture
from archspec.draw import beside, feeds, metrics
from archspec.draw import block as blocks
from archspec.draw.block import Anchor, Reader
from archspec.draw.course import Course, Ledger, depth
from archspec.draw.curves import brace, polyline
from archspec.draw.scene import Box, Curve, Point, Scene, Text
from archspec.language.schedule import Run

_GUTTER, _BETWEEN, _PAD = 50.0, 16.0, 11.0


@dataclass
class Tower:
    """`items` of a stack's schedule painted around x = 0, and where notes belong.

    `counted` says that they are in order; else they are kinds. `number` is its place among the
    towers that a long schedule is cut into, `last` whether it is the last of them, and `offset`
    where the numbers at the cuts begin.
    """

    architecture: Architecture
    course: Course
    ledger: Ledger
    items: tuple[str | Run, ...]
    counted: bool = True
    number: int = 0
    last: bool = True
    offset: int = 0
    scene: Scene = field(default_factory=Scene)
    anchors: list[Anchor] = field(default_factory=list[Anchor])
    readers: list[Reader] = field(default_factory=list[Reader])
    stops: list[float] = field(default_factory=list[float])
    left: float = 0.0
    right: float = 0.0
    top: float = 0.0
    entrance: tuple[float, float] = (0.0, 0.0)

    def __post_init__(self) -> None:
        """Paint from the bottom to the top."""
        self._half = self.ledger.half
        self._behind = Scene()
        self._tokens: Point | None = None
        deep = max((depth(item) for item in self.items), default=0)
        self._gutter = -self._half - _GUTTER * (deep + 1)
        self._lane: Point | None = None
        y = self._connector(self.number, 9.0) + 9 if self.number else self._embedding()
        for item in self.items:
            y = self._item(item, self._wire(y))
            self.stops.append(y)
        if not self.counted:
            self._unordered()
        y = self._output(y) if self.last else self._connector(self.number + 1, self._wire(y) + 9)
        self.left = min(self.left, self._gutter)
        self.right = max(self.right, self._half + 8 * deep)
        self._vectors()
        self.scene.items = self._behind.items + self.scene.items
        self.top = y + (0 if self.last else 9)

    def reading(self, feed: str) -> list[Point]:
        """The left ends of the boxes that read `feed`, from the bottom to the top."""
        return [(reader.x, reader.y) for reader in self.readers if reader.feed == feed]

    def _connector(self, number: int, y: float) -> float:
        """A numbered circle where a tower goes on in the next one."""
        self.scene.add(Box(0, y, 18, 18, "circle", "strong", "strong"))
        self.scene.add(Text(0, y, str(self.offset + number), 10, True, "strong.ink", "center"))
        return y

    def _embedding(self) -> float:
        graph, base = self.course.before, 0.0
        laid = blocks.flow(graph)
        x = laid.entry - laid.exit
        if self.course.title:
            self.scene.add(Text(x, 8, self.course.title, 12.5, True, align="center"))
            base = 20.0
        self.scene.add(Text(x, base + 7, "token ids", 10, ink="muted", align="center"))
        low = base + 16
        blocks.paint(self.scene, graph, laid, -laid.exit, low)
        spot = laid["embed_tokens"]
        right = laid.width - laid.exit
        self.entrance = (right, low + spot.y)
        self.left = min(0.0, -laid.exit)
        y = low + laid.height
        scaled = [s for s in laid.spots if s.operator.name == "scale"]
        tokens = (scaled or [spot])[0]
        self._tokens = (tokens.x - laid.exit, low + tokens.y + tokens.h / 2 + 6)
        if self.course.vectors:
            edge = min(self._gutter - 8, -laid.exit - 20)
            self._lane = beside.vectors(self.scene, self.course.vectors, edge, y, (x, base + 7))
            self.left = min(self.left, 2 * self._lane[0] - edge)
            self.scene.add(Curve(polyline([(0, y), (0, y + beside.TALL)])))
            y += beside.TALL
        return y

    def _output(self, y: float) -> float:
        graph = self.course.behind
        if graph:
            laid = blocks.flow(graph)
            blocks.paint(self.scene, graph, laid, -laid.entry, y)
            if self.course.mtp:
                start = self._tokens if not self.number else None
                lm_head = replace(laid["lm_head"], x=laid["lm_head"].x - laid.entry)
                lm_head = replace(lm_head, y=lm_head.y + y)
                edge = min(self.left, self._gutter)
                left = beside.mtp(self.scene, self.course.mtp, lm_head, edge, start)
                self.left = min(self.left, left)
            y += laid.height
        if self.course.encodes:
            return y
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
        level = depth(item)
        left, right = -self._half - _GUTTER * level, self._half + 8 * level
        middle, width = (left + right) / 2, right - left
        frame = Box(middle, (bottom + y) / 2, width, y - bottom, "round", "none", "muted", 0.9)
        self._behind.items.insert(0, replace(frame, stroke="dashed"))
        self._times(item.times, left, bottom, y)
        return y

    def _block(self, name: str, times: int, y: float) -> float:
        part = self.ledger.part(name)
        self.scene.place(part.scene, 0, y)
        for anchor in part.anchors:
            self.anchors.append(Anchor(anchor.mechanism, anchor.x, y + anchor.y))
        for reader in part.readers:
            self.readers.append(Reader(reader.feed, reader.x, y + reader.y))
        if self.counted:
            self._times(times, -self._half, y, y + part.height)
        return y + part.height

    def _times(self, times: int, left: float, low: float, high: float) -> None:
        text, size = f"{times:,} ×", 14.0 if times > 1 else 10.0
        x = left - 5
        at = feeds.clear((low + high) / 2, size, low, high, [r.y for r in self.readers])
        if times > 1 and high - low > 40:
            self.scene.add(Curve(brace(x, low + 3, high - 3, at), "ink", 1.2))
            x -= 10
        ink = "ink" if times > 1 else "muted"
        fit = min(size, size * (_GUTTER - 18) / metrics.width(text, size, True))
        self.scene.add(Text(x - 2, at, text, fit, True, ink, "right"))

    def _unordered(self) -> None:
        """Say that the tower shows the kinds of layer, not their order."""
        low, high = self.stops[0], self.stops[-1]
        edge, lines = -self._half - 8, [r.y for r in self.readers]
        middle = feeds.clear((low + high) / 2, 16, 0, high + 99, lines)
        for line, up in (("order as", 6), ("in ribbon", -6)):
            self.scene.add(Text(edge, middle + up, line, 9, ink="muted", align="right"))

    def _vectors(self) -> None:
        """The lines that bring the vectors for each layer."""
        ends = self.reading(feeds.VECTOR)
        if not ends:
            return
        if self._lane is None:
            lane = self._gutter - 16
            feeds.resume(self.scene, feeds.VECTOR, lane, ends)
            self.left = min(self.left, lane - feeds.ROUND)
            return
        feeds.lead(self.scene, self._lane, self._lane[0], ends)

    def _wire(self, y: float) -> float:
        self.scene.add(Curve(polyline([(0, y), (0, y + _BETWEEN)]), arrow=True))
        return y + _BETWEEN
