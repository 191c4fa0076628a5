"""One kind of layer in the tower: in full, or as what it changes in a wiring drawn before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from archspec.architecture.block import Block
from archspec.architecture.graph import Operator, OperatorGraph
from archspec.draw import chips, diagram, metrics, shapes
from archspec.draw.curves import polyline
from archspec.draw.feeds import FEEDS, feeds
from archspec.draw.flow import Flow, Size, arrange
from archspec.draw.plain import differs, module_differs
from archspec.draw.scene import Box, Curve, Scene, Text
from archspec.mechanisms.base import Mechanism

WIDEST = 146.0
_SIDE, _HEAD, _ROW, _GAP = 18.0, 10.0, 28.0, 15.0
_JOG, _STRAIGHT = 14.0, 0.5


@dataclass(frozen=True)
class Anchor:
    """The right end of a mechanism's box, for the note beside it."""

    mechanism: Mechanism
    x: float
    y: float


@dataclass(frozen=True)
class Reader:
    """The left end of a mechanism's box, which reads `feed` beside the stream."""

    feed: str
    x: float
    y: float


@dataclass(frozen=True)
class Part:
    """A painted block whose trunk enters at (0, 0) and leaves at (0, height)."""

    scene: Scene
    height: float
    anchors: tuple[Anchor, ...] = ()
    readers: tuple[Reader, ...] = ()


def wiring(graph: OperatorGraph) -> object:
    """What two blocks share that differ only in their mechanisms."""
    kept = tuple((o.name, o.kind, o.kind == "module" or o.label) for o in graph.operators)
    return kept, graph.edges


def measure(operator: Operator) -> Size:
    """Boxes of one width, and a point where the trunk enters and leaves."""
    if operator.kind in ("input", "output"):
        return Size(0, 0)
    size = shapes.measure(operator, brief=operator.kind == "norm")
    if size.round:
        return size
    least = 0.0 if operator.kind == "embedding" else WIDEST
    return Size(max(size.w, least), _ROW if operator.kind == "module" else size.h)


def flow(graph: OperatorGraph) -> Flow:
    """The layout of a block, an embedding or a head in the tower."""
    return arrange(graph, measure)


def paint(
    scene: Scene, graph: OperatorGraph, laid: Flow, x: float, y: float
) -> dict[str, tuple[float, float, float]]:
    """Paint operators with modules closed; gives back (left end, right end, y) of the modules."""
    ends: dict[str, tuple[float, float, float]] = {}
    diagram.wires(scene, graph, laid, x, y)
    for spot in laid.spots:
        if spot.h == 0:
            continue
        operator, at = spot.operator, (x + spot.x, y + spot.y)
        module = operator.kind == "module"
        accent = (
            module_differs(operator.inside) if module else differs(operator, graph, inside=False)
        )
        size, brief = Size(spot.w, spot.h, spot.round), operator.kind == "norm"
        shapes.draw(scene, operator, *at, size, accent, brief)
        if module:
            ends[operator.name] = (at[0] - spot.w / 2, at[0] + spot.w / 2, at[1])
    return ends


def full(
    block: Block,
    kind: int,
    graph: OperatorGraph,
    half: float,
    layers: str,
    known: Sequence[Mechanism] = (),
) -> Part:
    """Every operator of the block, in a cluster `half` wide on either side of the trunk."""
    laid = flow(graph)
    aside = laid.entry - laid.exit
    # Branches side by side may begin beside the trunk.
    low = _JOG if abs(aside) > _STRAIGHT else 0.0
    scene, height = Scene(), low + laid.height + _HEAD
    _cluster(scene, block, kind, height, half, layers)
    if low:
        corners = [(0.0, 0.0), (0.0, low / 2), (aside, low / 2), (aside, low)]
        scene.add(Curve(polyline(corners)))
    ends = paint(scene, graph, laid, -(laid.exit if low else laid.entry), low)
    scene.add(Curve(polyline([(0, low + laid.height), (0, height)])))
    modules = [o for o in graph.operators if o.kind == "module"]
    pairs = [(ends[o.name], b.body) for o, b in zip(modules, block.branches, strict=True)]
    anchors = tuple(Anchor(body, *end[1:]) for end, body in pairs if body not in known)
    readers = [r for o in modules for r in _readers(o, ends[o.name][0], ends[o.name][2])]
    return Part(scene, height, anchors, tuple(readers))


def compact(
    block: Block,
    kind: int,
    graph: OperatorGraph,
    half: float,
    layers: str,
    known: Sequence[Mechanism],
    like: int,
) -> Part:
    """Only the mechanisms, where another block shows how they are wired; known ones faint."""
    modules = [o for o in graph.operators if o.kind == "module"]
    scene, y = Scene(), 26.0
    height = y + len(modules) * (_ROW + _GAP) + 14
    _cluster(scene, block, kind, height, half, layers)
    note = f"wired like {chips.letter(like)}"
    scene.add(Text(half - 8, 10, note, 8, ink="muted", align="right"))
    anchors: list[Anchor] = []
    readers: list[Reader] = []
    below = 0.0
    for operator, branch in zip(modules, block.branches, strict=True):
        centre = y + _ROW / 2
        size = Size(max(shapes.measure(operator).w, WIDEST), _ROW)
        scene.add(Curve(polyline([(0, below), (0, y)]), arrow=True))
        if branch.body in known:
            scene.add(Box(0, centre, size.w, _ROW, "round", "box", "rule", 0.9, "dashed"))
            scene.add(Text(0, centre, operator.label, shapes.LABEL, ink="muted", align="center"))
        else:
            accent = module_differs(operator.inside)
            shapes.draw(scene, operator, 0, centre, size, accent)
            anchors.append(Anchor(branch.body, size.w / 2, centre))
        readers += _readers(operator, -size.w / 2, centre)
        below = y + _ROW
        y += _ROW + _GAP
    scene.add(Curve(polyline([(0, below), (0, height)])))
    return Part(scene, height, tuple(anchors), tuple(readers))


def again(block: Block, kind: int, half: float) -> Part:
    """A block that the tower has shown before."""
    scene, height = Scene(), 24.0
    fill = f"{chips.colour(kind)}.tint"
    edge = f"{chips.colour(kind)}.edge"
    scene.add(Box(0, height / 2, 2 * half, height, "round", fill, edge, 1.2))
    chips.draw(scene, kind, -half + 16, height / 2)
    name = metrics.clip(block.name, 2 * half - 60, shapes.LABEL, True)
    scene.add(Text(-half + 28, height / 2, name, shapes.LABEL, True))
    return Part(scene, height)


def _readers(module: Operator, x: float, y: float) -> list[Reader]:
    """A box's left end for each thing it reads that a line of the tower brings."""
    inside = module.inside
    return [Reader(feed, x, y) for feed in FEEDS if inside and feed in feeds(inside)]


def half_width(graphs: Sequence[OperatorGraph], names: Sequence[str]) -> float:
    """Half the width of clusters around all of `graphs`, the trunk in the middle."""
    reach = [WIDEST / 2 + 14]
    reach += [min(112.0, metrics.width(name, shapes.LABEL, True) + 16) for name in names]
    for graph in graphs:
        laid = flow(graph)
        straight = abs(laid.entry - laid.exit) <= _STRAIGHT
        middle = laid.entry if straight else laid.exit
        reach += [middle, laid.width - middle]
    return max(reach) + _SIDE


def _cluster(
    scene: Scene, block: Block, kind: int, height: float, half: float, layers: str
) -> None:
    colour = chips.colour(kind)
    tint, edge = f"{colour}.tint", f"{colour}.edge"
    scene.add(Box(0, height / 2, 2 * half, height, "round", tint, edge, 1.4))
    y = height - 13
    chips.draw(scene, kind, -half + 16, y)
    name = metrics.clip(block.name, half - 34, shapes.LABEL, True)
    scene.add(Text(-half + 26, y, name, shapes.LABEL, True))
    scene.add(Text(half - 9, y, layers, 8.5, ink="muted", align="right"))
