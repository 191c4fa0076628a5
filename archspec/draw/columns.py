"""Where the operators of a graph stand: ranks from input to output, and columns across.

A layered layout for graphs of a few dozen operators. What follows each other without a branch
forms a column; an edge that skips ranks gets a column of its own, or continues its source's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from archspec.architecture.graph import INPUT, Edge, OperatorGraph

_SWEEPS = 24


@dataclass(eq=False)
class Column:
    """Operators and passing edges that share an x; `widths` by rank, 0 where an edge passes."""

    widths: dict[int, float] = field(default_factory=dict[int, float])
    passing: bool = False
    x: float = 0.0


@dataclass
class Grid:
    """The result: each operator's rank and column, and the column each long edge runs in."""

    ranks: dict[str, int]
    of: dict[str, Column]
    lanes: dict[Edge, Column]
    columns: list[Column]


def place(graph: OperatorGraph, widths: Mapping[str, float], gap: float) -> Grid:
    """Ranks and x of every operator, given their widths and the least space between."""
    grid = _columns(graph, _ranks(graph), widths)
    hops = _hops(graph, grid)
    _order(grid, hops)
    _spread(graph, grid, gap)
    return grid


def _ranks(graph: OperatorGraph) -> dict[str, int]:
    """The longest way from the input; what has no input stands just before its reader."""
    ranks: dict[str, int] = {}
    for operator in graph.operators:
        before = [ranks[e.source] for e in graph.edges if e.target == operator.name]
        ranks[operator.name] = 1 + max(before, default=-1 if operator.name == INPUT else 0)
    for operator in graph.operators:
        if operator.name != INPUT and all(e.target != operator.name for e in graph.edges):
            readers = [ranks[e.target] for e in graph.edges if e.source == operator.name]
            ranks[operator.name] = max(1, min(readers, default=2) - 1)
    return ranks


def _columns(graph: OperatorGraph, ranks: dict[str, int], widths: Mapping[str, float]) -> Grid:
    outgoing = {o.name: [e for e in graph.edges if e.source == o.name] for o in graph.operators}
    incoming = {o.name: [e for e in graph.edges if e.target == o.name] for o in graph.operators}
    grid = Grid(ranks, {}, {}, [])
    for operator in graph.operators:
        name, before = operator.name, incoming[operator.name]
        follows = len(before) == 1 and len(outgoing[before[0].source]) == 1
        follows = follows and ranks[name] == ranks[before[0].source] + 1
        column = grid.of[before[0].source] if follows else Column()
        if not follows:
            grid.columns.append(column)
        column.widths[ranks[name]] = widths[name]
        grid.of[name] = column
    for edge in graph.edges:
        between = range(ranks[edge.source] + 1, ranks[edge.target])
        if not between:
            continue
        own = grid.of[edge.source]
        free = len(outgoing[edge.source]) == 1 and not any(r in own.widths for r in between)
        lane = own if free else Column(passing=True)
        lane.widths |= dict.fromkeys(between, 0.0)
        grid.lanes[edge] = lane
    # Passing edges begin on the left: a residual line runs on the left of what it skips.
    lanes = [lane for lane in grid.lanes.values() if lane.passing]
    grid.columns = lanes + grid.columns
    return grid


def _hops(graph: OperatorGraph, grid: Grid) -> list[tuple[int, Column, Column]]:
    """The edges cut at every rank: (rank, column below, column above)."""
    hops: list[tuple[int, Column, Column]] = []
    for edge in graph.edges:
        low, high = grid.ranks[edge.source], grid.ranks[edge.target]
        lane = grid.lanes.get(edge)
        for rank in range(low, high):
            below = grid.of[edge.source] if rank == low or lane is None else lane
            above = grid.of[edge.target] if rank == high - 1 or lane is None else lane
            hops.append((rank, below, above))
    return hops


def _order(grid: Grid, hops: list[tuple[int, Column, Column]]) -> None:
    """Swap neighbouring columns while that leaves fewer crossings."""
    order = grid.columns

    def crossings() -> int:
        at = {id(column): i for i, column in enumerate(order)}
        ends = [(rank, at[id(a)], at[id(b)]) for rank, a, b in hops]
        return sum(
            1
            for i, (rank, a, b) in enumerate(ends)
            for other, c, d in ends[i + 1 :]
            if rank == other and (a - c) * (b - d) < 0
        )

    best = crossings()
    improved = best > 0
    while improved:
        improved = False
        for i in range(len(order) - 1):
            order[i], order[i + 1] = order[i + 1], order[i]
            now = crossings()
            if now < best:
                best, improved = now, True
            else:
                order[i], order[i + 1] = order[i + 1], order[i]


def _spread(graph: OperatorGraph, grid: Grid, gap: float) -> None:
    """Give each column an x near its neighbours in the flow, without overlaps."""
    rows: dict[int, list[Column]] = {}
    for column in grid.columns:
        for rank in column.widths:
            rows.setdefault(rank, []).append(column)

    def bound(column: Column, side: int) -> list[float]:
        """How far the neighbours on one side (−1, +1) let this column go."""
        limits: list[float] = []
        for rank, width in column.widths.items():
            at = rows[rank].index(column) + side
            if 0 <= at < len(rows[rank]):
                other = rows[rank][at]
                limits.append(other.x - side * ((width + other.widths[rank]) / 2 + gap))
        return limits

    for column in grid.columns:
        column.x = max(bound(column, -1), default=0.0)
    pulls = _pulls(graph, grid)
    for sweep in range(_SWEEPS):
        for column in grid.columns if sweep % 2 else reversed(grid.columns):
            near = pulls.get(id(column), [])
            # The median, so that of three neighbours the middle one stands straight.
            middle = sorted(other.x for other in near) or [column.x]
            wish = (middle[(len(middle) - 1) // 2] + middle[len(middle) // 2]) / 2
            wish = min([wish, *bound(column, 1)])
            column.x = max([wish, *bound(column, -1)])


def _pulls(graph: OperatorGraph, grid: Grid) -> Mapping[int, list[Column]]:
    """The columns that each column wants to stand between."""
    pulls: dict[int, list[Column]] = {}
    first: set[str] = set()
    for edge in graph.edges:
        below, above = grid.of[edge.source], grid.of[edge.target]
        lane = grid.lanes.get(edge)
        if lane is not None and lane.passing:
            pulls.setdefault(id(lane), []).extend((below, above))
            continue
        if below is above:
            continue
        pulls.setdefault(id(below), []).append(above)
        # A sum stands on its first term, the trunk; anything else in the middle of its inputs.
        if edge.target not in first or graph[edge.target].kind != "add":
            pulls.setdefault(id(above), []).append(below)
        first.add(edge.target)
    return pulls
