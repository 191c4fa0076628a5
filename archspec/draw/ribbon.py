"""The ribbon: one cell for each layer, coloured and lettered by its kind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from archspec.architecture.graph import Operator
from archspec.architecture.model import Architecture
from archspec.architecture.stack import Layer
from archspec.draw import chips, facts, metrics
from archspec.draw.scene import Box, Scene, Text
from archspec.draw.shapes import LABEL

_TALL, _ROW, _LEAST, _MOST = 20.0, 36.0, 13.0, 110.0
_FEW, _THIN, _LETTERED = 200, 4.5, 8.0
_LABELS, _APART = 62.0, 9.0


@dataclass(frozen=True)
class _Cell:
    """A layer as the ribbon shows it: its kind, what is below it, what hovering shows."""

    kind: int
    number: str
    tip: str
    mtp: bool = False


def paint(scene: Scene, architecture: Architecture, width: float, top: float) -> float:
    """Paint legend and cells from `top` downwards; gives back where they end."""
    y = _legend(scene, architecture, width, top)
    stacks = _stacks(architecture)
    titled = len(stacks) > 1
    label = _LABELS if titled else 0.0
    apart = _APART if architecture.mtp else 0.0
    room, most = width - label - apart, max(len(cells) for _, cells in stacks)
    # Very deep models get cells too thin for a letter, and fewer numbers below.
    least = _LEAST if most <= _FEW else _THIN
    each = ceil(most / ceil(most * least / room))
    cell = min(_MOST, room / each)
    for title, cells in stacks:
        rows = ceil(len(cells) / each)
        if titled:
            scene.add(Text(0, y - _TALL / 2, title, LABEL, True))
        for row in range(rows):
            some = cells[row * each : (row + 1) * each]
            _row(scene, some, label, y - row * _ROW - _TALL / 2, cell, row == rows - 1)
        y -= rows * _ROW
    return y


def _stacks(architecture: Architecture) -> list[tuple[str, list[_Cell]]]:
    """The cells of each stack that has layers, under its name."""
    names = {block.name: n for n, block in enumerate(architecture.blocks)}

    def cells(layers: Sequence[Layer], of: str) -> list[_Cell]:
        return [
            _Cell(
                names[layer.block.name],
                str(layer.index),
                f"{of}layer {layer.index}: {layer.block.name}",
            )
            for layer in layers
        ]

    own, mtp = cells(architecture.layers, ""), architecture.mtp
    if mtp:
        name = mtp.block.name
        own += [
            _Cell(names[name], f"+{ahead}", f"MTP module {ahead}: {name}", True)
            for ahead in range(1, mtp.depth + 1)
        ]
    encoder = architecture.encoder
    if not encoder or not encoder.layers:
        return [("", own)]
    return [("Encoder", cells(encoder.layers, "encoder ")), ("Decoder", own)]


def _row(
    scene: Scene, cells: Sequence[_Cell], left: float, middle: float, cell: float, last: bool
) -> None:
    """Cells side by side; the MTP modules stand apart from the layers."""
    step = 5 * ceil(26 / (5 * cell))
    end = sum(not one.mtp for one in cells) - 1
    for at, one in enumerate(cells):
        x = left + (at + 0.5) * cell + (_APART if one.mtp else 0.0)
        wide = cell - min(1.6, cell / 4)
        if one.mtp:
            own = chips.colour(one.kind)
            box = Box(x, middle, wide, _TALL, "box", f"{own}.pale", own, 1.0, "dashed", one.tip)
            scene.add(box)
        else:
            chips.swatch(scene, one.kind, x, middle, wide, _TALL, 0.4, one.tip)
        if cell >= _LETTERED:
            letter = chips.letter(one.kind)
            size = min(9.0, 9.0 * (cell - 3) / metrics.width(letter, 9.0, True))
            scene.add(Text(x, middle, letter, size, True, "on.kind", "center", one.tip))
        final = last and at == end and at % step * cell > 20
        if at % step == 0 or final or (one.mtp and cell > 16):
            below = middle - _TALL / 2 - 7
            scene.add(Text(x, below, one.number, 7.5, ink="muted", align="center"))


def _legend(scene: Scene, architecture: Architecture, width: float, top: float) -> float:
    """Each kind's chip, name and mechanisms, as many to a line as fit."""
    x, y = 0.0, top - chips.SIDE / 2
    for kind, block in enumerate(architecture.blocks):
        count = facts.uses(architecture, block)
        name = metrics.clip(block.name, width / 3, LABEL, True)
        modules = [o for o in block.graph(architecture.hidden_size).operators if o.inside]
        names = iter([_what(module) for module in modules])
        updates = (" + ".join(next(names) for _ in update.branches) for update in block.updates)
        what = f"{count:,} × {' → '.join(updates)}"
        what = metrics.clip(what, width / 2, 9.5)
        label, body = Text(0, y, name, LABEL, True), Text(0, y, what, 9.5, ink="muted")
        wide = chips.SIDE + 5 + label.width + 9 + body.width
        if x and x + wide > width:
            x, y = 0.0, y - 19
        chips.draw(scene, kind, x + chips.SIDE / 2, y)
        scene.add(Text(x + chips.SIDE + 5, y, name, LABEL, True))
        scene.add(Text(x + chips.SIDE + 14 + label.width, y, what, 9.5, ink="muted"))
        x += wide + 24
    return y - chips.SIDE / 2 - 9


def _what(module: Operator) -> str:
    masks = [o.mask for o in module.inside.operators if o.mask] if module.inside else []
    return f"{module.label} ({masks[0].caption()})" if masks else module.label
