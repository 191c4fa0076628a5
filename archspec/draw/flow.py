"""An operator graph laid out: boxes with positions and orthogonal wires between them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from archspec.architecture.graph import Edge, Operator, OperatorGraph
from archspec.draw.columns import Grid, place
from archspec.draw.scene import Point

_GAP, _CHANNEL, _LABEL = 17.0, 7.0, 8.0
_NEAR = 0.6


@dataclass(frozen=True)
class Size:
    """What an operator needs; a wire may enter a round one from the side."""

    w: float
    h: float
    round: bool = False


@dataclass(frozen=True)
class Spot:
    """An operator, its centre and its size."""

    operator: Operator
    x: float
    y: float
    w: float
    h: float
    round: bool = False


@dataclass(frozen=True)
class Wire:
    """The corners of an edge's line, and where its label begins."""

    edge: Edge
    corners: tuple[Point, ...]
    label: Point


@dataclass(frozen=True)
class Flow:
    """A layout with its lower left corner at the origin, from `entry` up to `exit`."""

    spots: tuple[Spot, ...]
    wires: tuple[Wire, ...]
    width: float
    height: float
    entry: float
    exit: float

    def __getitem__(self, name: str) -> Spot:
        """Where the operator called `name` stands."""
        return next(spot for spot in self.spots if spot.operator.name == name)


def arrange(
    graph: OperatorGraph, measure: Callable[[Operator], Size], across: float = 14.0
) -> Flow:
    """Lay `graph` out from bottom to top; `across` is the least space between columns."""
    sizes = {operator.name: measure(operator) for operator in graph.operators}
    grid = place(graph, {name: size.w for name, size in sizes.items()}, across)
    sizes = {name: _stretched(name, graph, grid, sizes) for name in sizes}
    router = _Router(graph, grid, sizes)
    spots = {
        operator.name: Spot(
            operator,
            grid.of[operator.name].x,
            router.middle[grid.ranks[operator.name]],
            sizes[operator.name].w,
            sizes[operator.name].h,
            sizes[operator.name].round,
        )
        for operator in graph.operators
    }
    wires = [router.wire(edge, spots) for edge in graph.edges]
    return _normal(list(spots.values()), wires, router.height)


def _stretched(name: str, graph: OperatorGraph, grid: Grid, sizes: Mapping[str, Size]) -> Size:
    """A box alone in its rank grows over its inputs, so that their wires go straight up."""
    size, x = sizes[name], grid.of[name].x
    inputs = [e for e in graph.edges if e.target == name]
    rank = grid.ranks[name]
    alone = sum(rank in column.widths for column in grid.columns) == 1
    if size.round or len(inputs) < 2 or not alone:
        return size
    reach = max(abs((grid.lanes.get(e) or grid.of[e.source]).x - x) for e in inputs)
    return Size(max(size.w, 2 * reach + 26), size.h)


class _Router:
    """Heights of the ranks, and the channels between them in which wires run across."""

    def __init__(self, graph: OperatorGraph, grid: Grid, sizes: Mapping[str, Size]) -> None:
        self.grid, self.sizes = grid, sizes
        self.single = {
            o.name for o in graph.operators if sum(e.target == o.name for e in graph.edges) == 1
        }
        top = max(grid.ranks.values())
        self.channels: dict[int, list[tuple[str, float, float]]] = {}
        labelled: set[int] = set()
        for edge in graph.edges:
            for rank, key, a, b in self._crossings(edge):
                self._claim(rank, key, min(a, b), max(a, b))
            if edge.label:
                labelled.add(grid.ranks[edge.target] - 1)
        self.levels = {rank: self._levels(rank) for rank in range(top)}
        self.middle: dict[int, float] = {}
        self.top: dict[int, float] = {}
        y = 0.0
        for rank in range(top + 1):
            tall = max(sizes[n].h for n, r in grid.ranks.items() if r == rank)
            self.middle[rank] = y + tall / 2
            self.top[rank] = y = y + tall
            if rank < top:
                most = max(self.levels[rank].values(), default=-1)
                y += _GAP + max(0, most) * _CHANNEL
                y += (5.0 if most >= 0 else 0.0) + (_LABEL if rank in labelled else 0.0)
        self.height = y

    def _ends(self, edge: Edge) -> tuple[float, float, float]:
        """The x where a wire leaves, runs and arrives."""
        source, target = self.grid.of[edge.source], self.grid.of[edge.target]
        lane = (self.grid.lanes.get(edge) or source).x
        size = self.sizes[edge.target]
        if self._from_the_side(edge):
            return source.x, lane, lane
        # A lone wire arrives in the middle, one of several as straight as it can.
        lone = edge.target in self.single or size.round
        reach = 0.0 if lone else max(0.0, size.w / 2 - 9)
        return source.x, lane, target.x + min(reach, max(-reach, lane - target.x))

    def _from_the_side(self, edge: Edge) -> bool:
        """Whether a wire may enter at the height of its target's centre."""
        return self.sizes[edge.target].round and edge.target not in self.single

    def _crossings(self, edge: Edge) -> list[tuple[int, str, float, float]]:
        """The horizontal pieces of a wire: (rank below, whose, from, to)."""
        leaves, runs, arrives = self._ends(edge)
        low, high = self.grid.ranks[edge.source], self.grid.ranks[edge.target]
        out: list[tuple[int, str, float, float]] = []
        if high - low > 1 and abs(leaves - runs) > _NEAR:
            out.append((low, edge.source, leaves, runs))
            leaves = runs
        elif high - low > 1:
            leaves = runs
        if self._from_the_side(edge) and high - low == 1:
            return out
        if abs(leaves - arrives) > _NEAR:
            out.append((high - 1, edge.source, leaves, arrives))
        return out

    def _claim(self, rank: int, key: str, low: float, high: float) -> None:
        self.channels.setdefault(rank, []).append((key, low, high))

    def _levels(self, rank: int) -> dict[str, int]:
        """A level for each source that crosses above `rank`; those that overlap differ."""
        levels: dict[str, int] = {}
        spans: dict[str, tuple[float, float]] = {}
        for key, low, high in self.channels.get(rank, []):
            old = spans.get(key, (low, high))
            spans[key] = (min(low, old[0]), max(high, old[1]))
        for key, (low, high) in spans.items():
            taken = {
                levels[other]
                for other in levels
                if spans[other][0] < high + 4 and low < spans[other][1] + 4
            }
            levels[key] = next(n for n in range(len(spans)) if n not in taken)
        return levels

    def _channel(self, rank: int, key: str) -> float:
        return self.top[rank] + 9 + _CHANNEL * self.levels[rank].get(key, 0)

    def wire(self, edge: Edge, spots: Mapping[str, Spot]) -> Wire:
        """The corners of one edge's line."""
        source, target = spots[edge.source], spots[edge.target]
        leaves, runs, arrives = self._ends(edge)
        low, high = self.grid.ranks[edge.source], self.grid.ranks[edge.target]
        corners: list[Point] = [(leaves, source.y + source.h / 2)]
        if high - low > 1 and abs(leaves - runs) > _NEAR:
            y = self._channel(low, edge.source)
            corners += [(leaves, y), (runs, y)]
        at = corners[-1][0]
        if self._from_the_side(edge) and abs(at - target.x) > _NEAR:
            side = 1 if at > target.x else -1
            corners += [(at, target.y), (target.x + side * target.w / 2, target.y)]
            return Wire(edge, tuple(corners), (at + 4, target.y - 13))
        end = arrives if edge.target in self.single or not target.round else target.x
        if abs(at - end) > _NEAR:
            y = self._channel(high - 1, edge.source)
            corners += [(at, y), (end, y)]
        bottom = target.y - target.h / 2
        corners.append((end, bottom))
        return Wire(edge, tuple(corners), (end + 4, bottom - 9))


def _normal(spots: list[Spot], wires: list[Wire], height: float) -> Flow:
    """Move everything so that the leftmost thing begins at 0."""
    xs = [spot.x - spot.w / 2 for spot in spots] + [x for w in wires for x, _ in w.corners]
    ends = [spot.x + spot.w / 2 for spot in spots] + [x for w in wires for x, _ in w.corners]
    ends += [w.label[0] + 5.2 * len(w.edge.label) for w in wires if w.edge.label]
    left = min(xs)
    moved = tuple(Spot(s.operator, s.x - left, s.y, s.w, s.h, s.round) for s in spots)
    lines = tuple(
        Wire(w.edge, tuple((x - left, y) for x, y in w.corners), (w.label[0] - left, w.label[1]))
        for w in wires
    )
    return Flow(moved, lines, max(ends) - left, height, moved[0].x, moved[-1].x)
