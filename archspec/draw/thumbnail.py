"""A mask as a small grid, from the predicate that the generated code uses."""

from __future__ import annotations

from dataclasses import fields, replace

from archspec.architecture.block_pattern import BlockPattern
from archspec.architecture.mask import Mask
from archspec.draw.curves import polyline
from archspec.draw.scene import Box, Curve, Scene

CELLS = 12
CELL = 5.0
SIDE = CELLS * CELL
PREFIX = CELLS // 3
"""How many tokens of the grid are the prefix, where a mask has one."""
OTHER = 8
"""How many queries are drawn where the keys are those of another text."""


def scaled(mask: Mask, context: int) -> Mask:
    """`mask` with its lengths shrunk as the context shrinks to the grid, as far as is legible."""
    shrunk: dict[str, int] = {}
    for entry in fields(mask):
        value = getattr(mask, entry.name)
        if isinstance(value, int) and not isinstance(value, bool):
            shrunk[entry.name] = min(CELLS - 4, max(4, round(value * CELLS / context)))
    return replace(mask, **shrunk, blocks=_fewer(mask.blocks))


def _fewer(blocks: BlockPattern | None) -> BlockPattern | None:
    """The pattern with a block in each cell, so that stripes stand apart from what is near."""
    if blocks is None:
        return None
    stride = blocks.stride and min(blocks.stride, 4)
    return BlockPattern(1, min(blocks.local, 2), min(blocks.first, 1), stride)


def spans(mask: Mask) -> list[tuple[int, int, int]]:
    """The cells that `mask` allows as (query, first key, keys) for each unbroken stretch."""
    out: list[tuple[int, int, int]] = []
    for query in range(CELLS):
        start: int | None = None
        for key in range(CELLS + 1):
            seen = key < CELLS and mask.allows(query, key, PREFIX) and _chosen(mask, query, key)
            if seen and start is None:
                start = key
            elif not seen and start is not None:
                out.append((query, start, key - start))
                start = None
    return out


def _chosen(mask: Mask, query: int, key: int) -> bool:
    """Whether `key` is among the best of what `query` may see, for scores that an example needs.

    Which tokens are the best is learned: here each has a fixed score, and a query's own is highest.
    """
    if mask.best is None:
        return True
    may = [k for k in range(query + 1) if mask.allows(query, k, PREFIX)]
    ranked = sorted(may, key=lambda k: (k != query, k * 7 % CELLS))
    return key in ranked[: mask.best]


def draw(scene: Scene, mask: Mask, context: int, left: float, top: float, accent: bool) -> None:
    """Paint the grid: queries downwards, keys to the right."""
    if mask.source:
        _other(scene, mask, left, top, accent)
        return
    centre = (left + SIDE / 2, top - SIDE / 2)
    scene.add(Box(*centre, SIDE, SIDE, "box", "box", "box", 0.1, tip=mask.caption()))
    shown, colour = scaled(mask, context), "accent" if accent else "muted"
    layers = [(replace(shown, best=None), "rule")] if mask.best else []
    for part, paint in [*layers, (shown, colour)]:
        for query, key, count in spans(part):
            x, y = left + (key + count / 2) * CELL, top - (query + 0.5) * CELL
            scene.add(Box(x, y, count * CELL, CELL, "box", paint, paint, 0.1))
    for i in range(1, CELLS):
        across = [(left, top - i * CELL), (left + SIDE, top - i * CELL)]
        down = [(left + i * CELL, top), (left + i * CELL, top - SIDE)]
        scene.add(*(Curve(polyline(line), "panel", 0.8) for line in (across, down)))
    scene.add(Box(*centre, SIDE, SIDE, "box", "none", "rule", 0.8))


def _other(scene: Scene, mask: Mask, left: float, top: float, accent: bool) -> None:
    """Every query sees all of another text: a column for each of its tokens, no diagonal."""
    tall, colour = OTHER * CELL, "accent" if accent else "muted"
    middle = top - SIDE / 2
    for key in range(CELLS):
        x = left + (key + 0.5) * CELL
        scene.add(Box(x, middle, CELL - 1.4, tall, "box", colour, colour, 0.1, tip=mask.caption()))
