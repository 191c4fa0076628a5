"""The ribbon: one cell for each layer, coloured and lettered by its kind."""

from __future__ import annotations

from math import ceil

from archspec.architecture import Architecture
from archspec.draw import chips, facts, metrics
from archspec.draw.scene import Box, Scene, Text
from archspec.draw.shapes import LABEL
from archspec.graph import Operator

_TALL, _ROW, _LEAST, _MOST = 20.0, 36.0, 13.0, 110.0
_FEW, _THIN, _LETTERED = 200, 4.5, 8.0


def paint(scene: Scene, architecture: Architecture, width: float, top: float) -> float:
    """Paint legend and cells from `top` downwards; gives back where they end."""
    y = _legend(scene, architecture, width, top)
    layers = architecture.layers
    # Very deep models get cells too thin for a letter, and fewer numbers below.
    least = _LEAST if len(layers) <= _FEW else _THIN
    rows = ceil(len(layers) * least / width)
    each = ceil(len(layers) / rows)
    cell = min(_MOST, width / each)
    step = 5 * ceil(26 / (5 * cell))
    names = {block.name: n for n, block in enumerate(architecture.blocks)}
    for layer in layers:
        row, at = divmod(layer.index, each)
        x, middle = (at + 0.5) * cell, y - row * _ROW - _TALL / 2
        kind = names[layer.block.name]
        colour = chips.colour(kind)
        tip = f"layer {layer.index}: {layer.block.name}"
        scene.add(
            Box(x, middle, cell - min(1.6, cell / 4), _TALL, "box", colour, colour, 0.4, tip=tip)
        )
        if cell >= _LETTERED:
            letter = chips.letter(kind)
            size = min(9.0, 9.0 * (cell - 3) / metrics.width(letter, 9.0, True))
            scene.add(Text(x, middle, letter, size, True, "on.kind", "center", tip))
        if at % step == 0 or (layer is layers[-1] and at % step * cell > 20):
            below = middle - _TALL / 2 - 7
            scene.add(Text(x, below, str(layer.index), 7.5, ink="muted", align="center"))
    return y - rows * _ROW


def _legend(scene: Scene, architecture: Architecture, width: float, top: float) -> float:
    """Each kind's chip, name and mechanisms, as many to a line as fit."""
    x, y = 0.0, top - chips.SIDE / 2
    for kind, block in enumerate(architecture.blocks):
        count = facts.count(architecture, block)
        name = metrics.clip(block.name, width / 3, LABEL, True)
        modules = block.graph(architecture.hidden_size).operators
        what = f"{count:,} × {' → '.join(_what(o) for o in modules if o.kind == 'module')}"
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
