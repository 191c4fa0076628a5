"""The thumbnail shows exactly what the predicate allows."""

from __future__ import annotations

import pytest

from archspec.architecture.block_pattern import BlockPattern
from archspec.architecture.mask import Mask
from archspec.draw.scene import Scene
from archspec.draw.thumbnail import CELL, CELLS, OTHER, PREFIX, SIDE, draw, scaled

MASKS = [
    *(Mask(), Mask(causal=False), Mask(window=512), Mask(window=30_000), Mask(window=1)),
    *(Mask(prefix=True), Mask(window=512, prefix=True), Mask(chunk=4096, prefix=True)),
    Mask(blocks=BlockPattern(64, 16, 1, 8, 2, 4)),
    Mask(blocks=BlockPattern(64, 1, 4)),
]


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
    cells = {(q, k) for q in range(CELLS) for k in range(CELLS) if shown.allows(q, k, PREFIX)}
    assert filled == cells


def test_a_window_stays_legible() -> None:
    assert [scaled(Mask(window=n), 32_768).window for n in (1, 16_384, 32_768)] == [4, 6, 8]


def test_kinds_of_mask_look_different() -> None:
    shown = [scaled(mask, 32_768) for mask in (Mask(), Mask(causal=False), Mask(window=512))]
    assert len(set(shown)) == 3


def test_blocks_show_stripes_between_the_first_and_the_local_ones() -> None:
    shown = scaled(Mask(blocks=BlockPattern(64, 16, 1, 8, 2, 4)), 131_072)
    last = [key for key in range(CELLS) if shown.allows(CELLS - 1, key)]
    assert last == [0, 3, 7, 10, 11]


def test_a_prefix_is_seen_both_ways() -> None:
    assert Mask(prefix=True).caption() == "causal, prefix both ways"
    assert PREFIX * 3 == CELLS
    assert all(Mask(prefix=True).allows(q, k, PREFIX) for q in range(PREFIX) for k in range(PREFIX))


def test_of_the_tokens_that_may_be_seen_the_best_are_chosen() -> None:
    scene, mask = Scene(), Mask(best=2_048)
    draw(scene, mask, 32_768, 0, SIDE, accent=False)
    widths = {paint: [0] * CELLS for paint in ("rule", "muted")}
    for box in scene.boxes():
        if box.fill in widths:
            widths[box.fill][round((SIDE - box.y) / CELL - 0.5)] += round(box.w / CELL)
    best = scaled(mask, 32_768).best
    assert best == 4
    assert widths["rule"] == [query + 1 for query in range(CELLS)]
    assert widths["muted"] == [min(query + 1, best) for query in range(CELLS)]


def test_another_text_is_a_full_rectangle_of_columns() -> None:
    scene = Scene()
    draw(scene, Mask(causal=False, source=True), 32_768, 0, SIDE, accent=False)
    boxes = scene.boxes()
    assert len(boxes) == CELLS and {box.h for box in boxes} == {OTHER * CELL}
    assert min(box.x - box.w / 2 for box in boxes) >= 0
    assert max(box.x + box.w / 2 for box in boxes) <= SIDE
