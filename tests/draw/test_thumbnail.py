"""The thumbnail shows exactly what the predicate allows."""

from __future__ import annotations

import pytest

from archspec.draw.scene import Scene
from archspec.draw.thumbnail import CELL, CELLS, SIDE, draw, scaled
from archspec.mask import Mask

MASKS = [Mask(), Mask(causal=False), Mask(window=512), Mask(window=30_000), Mask(window=1)]


@pytest.mark.parametrize("mask", MASKS, ids=Mask.caption)
def test_cells_equal_the_predicate(mask: Mask) -> None:
    scene = Scene()
    draw(scene, mask, 32_768, 0, SIDE, accent=False)
    filled: set[tuple[int, int]] = set()
    for box in scene.boxes():
        if box.fill == "muted":
            query = round((SIDE - box.y) / CELL - 0.5)
            first = round((box.x - box.w / 2) / CELL)
            filled |= {(query, first + n) for n in range(round(box.w / CELL))}
    shown = scaled(mask, 32_768)
    cells = {(q, k) for q in range(CELLS) for k in range(CELLS) if shown.allows(q, k)}
    assert filled == cells


def test_a_window_stays_legible() -> None:
    assert [scaled(Mask(window=n), 32_768).window for n in (1, 16_384, 32_768)] == [4, 6, 8]


def test_kinds_of_mask_look_different() -> None:
    shown = [scaled(mask, 32_768) for mask in (Mask(), Mask(causal=False), Mask(window=512))]
    assert len(set(shown)) == 3
