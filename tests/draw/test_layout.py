"""The layout of every figure: nothing overlaps, nothing is cut, nothing is missing."""

from __future__ import annotations

from itertools import combinations
from math import dist

from archspec.architecture.model import Architecture
from archspec.draw import chips
from archspec.draw import page as pages
from archspec.draw.feeds import FEEDS, feeds
from archspec.draw.page import Page
from archspec.draw.scene import Box, Curve, Scene, Text
from archspec.draw.theme import KINDS

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
    shown = [panel.subject.mechanism for panel in pages.insets(architecture)]
    shown = [mechanism for mechanism in shown if mechanism]
    assert sorted(map(repr, shown)) == sorted(map(repr, architecture.mechanisms))


def test_what_stands_beside_the_layers_has_its_inset(drawn: Drawn) -> None:
    architecture, _ = drawn
    beside = [p.subject.title for p in pages.insets(architecture) if not p.subject.mechanism]
    graphs = (architecture.layer_vectors_graph, architecture.mtp)
    assert len(beside) == sum(graph is not None for graph in graphs)


def test_an_inset_names_every_operator(drawn: Drawn) -> None:
    architecture, _ = drawn
    for panel in pages.insets(architecture):
        texts = {text.text.removesuffix("…") for text in panel.scene.texts()}
        for operator in panel.subject.graph.operators:
            assert any(operator.label.startswith(t) or t.startswith(operator.label) for t in texts)


def test_the_ribbon_has_a_cell_for_each_layer(drawn: Drawn) -> None:
    architecture, page = drawn
    tips = [box.tip for box in page.scene.boxes() if " " in box.tip and ": " in box.tip]
    encoder, mtp = architecture.encoder, architecture.mtp
    read = encoder.layers if encoder else ()
    expected = [f"encoder layer {layer.index}: {layer.block.name}" for layer in read]
    expected += [f"layer {layer.index}: {layer.block.name}" for layer in architecture.layers]
    if mtp:
        ahead = range(1, mtp.depth + 1)
        expected += [f"MTP module {n}: {mtp.block.name}" for n in ahead]
    # A cell whose colour repeats has bands, with the same words.
    found = [tip for tip in dict.fromkeys(tips) if tip.split()[0] in ("encoder", "layer", "MTP")]
    assert found == expected


def test_a_line_leads_to_every_box_that_reads_beside_the_stream(drawn: Drawn) -> None:
    architecture, page = drawn
    scene = page.scene
    heads = [i.points[-1] for i in scene.items if isinstance(i, Curve) and i.arrow]
    centred = [text for text in scene.texts() if text.align == "center"]
    for mechanism in architecture.mechanisms:
        if not feeds(mechanism.graph(architecture.hidden_size)) & set(FEEDS):
            continue
        labels = {(t.x, t.y) for t in centred if t.text == mechanism.title()}
        boxes = [box for box in scene.boxes() if (box.x, box.y) in labels]
        assert boxes
        for box in boxes:
            end = (box.x - box.w / 2, box.y)
            assert any(dist(end, head) < 0.01 for head in heads), box


def test_colours_that_repeat_look_different() -> None:
    looks: list[list[Box]] = []
    for kind in range(3 * KINDS):
        scene = Scene()
        chips.swatch(scene, kind, 0, 0, 13, 13, 0.5)
        looks.append(scene.boxes())
    assert all(one != other for one, other in combinations(looks, 2))
