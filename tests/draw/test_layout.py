"""The layout of every figure: nothing overlaps, nothing is cut, nothing is missing."""

from __future__ import annotations

from itertools import combinations

from archspec.architecture import Architecture
from archspec.draw import page as pages
from archspec.draw.page import Page
from archspec.draw.scene import Box, Curve, Text

Rectangle = tuple[float, float, float, float]
Drawn = tuple[Architecture, Page]


def _of_box(box: Box) -> Rectangle:
    return box.x - box.w / 2, box.y - box.h / 2, box.x + box.w / 2, box.y + box.h / 2


def _of_text(text: Text) -> Rectangle:
    # Capitals and descenders; the line's leading may be shared.
    half = text.size * 0.45
    return text.left, text.y - half, text.left + text.width, text.y + half


def _overlap(a: Rectangle, b: Rectangle, by: float = 0.05) -> bool:
    return a[0] < b[2] - by and b[0] < a[2] - by and a[1] < b[3] - by and b[1] < a[3] - by


def _within(a: Rectangle, b: Rectangle, by: float = 0.05) -> bool:
    return a[0] >= b[0] - by and a[1] >= b[1] - by and a[2] <= b[2] + by and a[3] <= b[3] + by


def test_boxes_are_apart_or_nested(drawn: Drawn) -> None:
    boxes = [box for box in drawn[1].scene.boxes() if not box.above]
    for a, b in combinations(boxes, 2):
        one, other = _of_box(a), _of_box(b)
        nested = _within(one, other) or _within(other, one)
        assert nested or not _overlap(one, other), (a, b)


def test_no_text_is_wider_than_its_box(drawn: Drawn) -> None:
    boxes = [(_of_box(box), box) for box in drawn[1].scene.boxes() if not box.above]
    for text in drawn[1].scene.texts():
        place = _of_text(text)
        for rectangle, box in boxes:
            crosses = _overlap(place, rectangle) and not _within(place, rectangle)
            assert not crosses, (text, box)


def test_texts_are_apart(drawn: Drawn) -> None:
    for a, b in combinations(drawn[1].scene.texts(), 2):
        assert not _overlap(_of_text(a), _of_text(b), 0.3), (a, b)


def test_everything_is_on_the_page(drawn: Drawn) -> None:
    _, page = drawn
    whole = (0.0, 0.0, page.width, page.height)
    for item in page.scene.items:
        if isinstance(item, Curve):
            assert all(_within((x, y, x, y), whole) for x, y in item.points), item
        else:
            place = _of_box(item) if isinstance(item, Box) else _of_text(item)
            assert _within(place, whole), item


def test_no_wire_crosses_a_text(drawn: Drawn) -> None:
    texts = [_of_text(text) for text in drawn[1].scene.texts()]
    wires = [i for i in drawn[1].scene.items if isinstance(i, Curve) and i.line == "wire"]
    for wire in wires:
        for start, end in zip(wire.points[::3], wire.points[3::3], strict=False):
            low = (min(start[0], end[0]), min(start[1], end[1]))
            high = (max(start[0], end[0]), max(start[1], end[1]))
            line = (low[0] - 0.1, low[1] - 0.1, high[0] + 0.1, high[1] + 0.1)
            assert not any(_overlap(line, place) for place in texts), wire


def test_page_is_neither_a_ribbon_nor_a_column(drawn: Drawn) -> None:
    assert 0.6 < drawn[1].width / drawn[1].height < 1.9


def test_every_distinct_mechanism_has_its_inset(drawn: Drawn) -> None:
    architecture, _ = drawn
    shown = [panel.mechanism for panel in pages.insets(architecture)]
    assert sorted(map(repr, shown)) == sorted(map(repr, architecture.mechanisms))


def test_an_inset_names_every_operator(drawn: Drawn) -> None:
    architecture, _ = drawn
    for panel in pages.insets(architecture):
        texts = {text.text.removesuffix("…") for text in panel.scene.texts()}
        for operator in panel.mechanism.graph(architecture.hidden_size).operators:
            assert any(operator.label.startswith(t) or t.startswith(operator.label) for t in texts)


def test_the_ribbon_has_a_cell_for_each_layer(drawn: Drawn) -> None:
    architecture, page = drawn
    tips = [box.tip for box in page.scene.boxes() if box.tip.startswith("layer ")]
    assert tips == [f"layer {layer.index}: {layer.block.name}" for layer in architecture.layers]
