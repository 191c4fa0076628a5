"""What stands beside a tower's ends: vectors for each layer, MTP modules."""

from __future__ import annotations

from dataclasses import replace

from archspec.architecture.mtp import MtpModules
from archspec.draw import metrics, shapes
from archspec.draw.curves import polyline
from archspec.draw.feeds import lead
from archspec.draw.flow import Spot
from archspec.draw.scene import Box, Curve, Point, Scene, Text
from archspec.draw.subjects import VECTORS, mtp_title

TALL = 30.0
"""How much longer a trunk is beside the vectors for each layer."""
_HEIGHT, _CARD = 35.0, 4.0


def vectors(scene: Scene, shape: tuple[int, int], edge: float, y: float, tokens: Point) -> Point:
    """Paint their box on the left of `edge`, fed by the trunk at `y` and by the token ids.

    Gives back where the line to the layers begins.
    """
    small = f"{shapes.shape_text(shape)} for each token"
    wide = _width(VECTORS, small)
    x, middle = edge - wide / 2, y + TALL / 2
    label = Text(*tokens, "token ids", 10, align="center")
    corners = [(label.left - 5, tokens[1]), (x, tokens[1]), (x, middle - _HEIGHT / 2)]
    scene.add(Curve(polyline(corners), arrow=True))
    scene.add(Curve(polyline([(0, middle), (x + wide / 2, middle)]), arrow=True))
    _box(scene, x, middle, wide, VECTORS, small)
    return x, middle + _HEIGHT / 2


def mtp(scene: Scene, own: MtpModules, lm_head: Spot, gutter: float, tokens: Point | None) -> float:
    """Paint their box beside the output layer, fed by the last state and the token vectors.

    `tokens` is where those leave the trunk, None in another tower. Gives back the left end.
    """
    title = mtp_title(own.depth)
    small = f"{'each ' * (own.depth > 1)}a {own.block.name} layer"
    small = metrics.clip(small, 150, shapes.DETAIL)
    wide, y = _width(title, small), lm_head.y
    into = lm_head.x - lm_head.w / 2
    x = into - 30 - wide / 2
    below = y - lm_head.h / 2 - 11
    scene.add(Curve(polyline([(0, below), (x, below), (x, y - _HEIGHT / 2)]), arrow=True))
    cards = _CARD * 2 if own.depth > 1 else 0.0
    for step in (cards, cards / 2) if cards else ():
        card = Box(x + step, y + step, wide, _HEIGHT, "round", "box", "accent", 0.9, above=True)
        scene.add(card)
    scene.add(Curve(polyline([(x + wide / 2 + cards, y), (into, y)]), arrow=True))
    _box(scene, x, y, wide, title, small)
    left, words = x - wide / 2, Text(0, 0, "token vectors", 9, ink="muted")
    if tokens is None:
        edge = left - 22
        scene.add(Curve(polyline([(edge + 3, y), (left, y)]), arrow=True))
        scene.add(replace(words, x=edge, y=y, align="right"))
        return edge - words.width
    lane = min(left, gutter) - 14
    lead(scene, tokens, lane, [(left, y)], 1.0)
    scene.add(replace(words, x=lane + 9, y=tokens[1] + 8))
    return lane


def states(scene: Scene, x: float, y: float, given: int | None) -> tuple[float, float]:
    """Paint the box of the encoder's states around (x, y); gives back its left and right ends.

    `given` is how many at most, where they come from outside the model.
    """
    small = "S" if given is None else f"given, at most {given:,}"
    label = "Encoder's states"
    wide = _width(label, small)
    stroke = "solid" if given is None else "dashed"
    scene.add(Box(x, y, wide, _HEIGHT, "round", "box", "accent", 1.8, stroke))
    scene.add(Text(x, y + 6.5, label, shapes.LABEL, align="center"))
    scene.add(Text(x, y - 7.5, small, shapes.DETAIL, given is None, "accent", "center"))
    return x - wide / 2, x + wide / 2


def _width(label: str, small: str) -> float:
    return max(metrics.width(label, shapes.LABEL, True), metrics.width(small, shapes.DETAIL)) + 20


def _box(scene: Scene, x: float, y: float, wide: float, label: str, small: str) -> None:
    scene.add(Box(x, y, wide, _HEIGHT, "round", "weight", "accent", 1.8))
    scene.add(Text(x, y + 6.5, label, shapes.LABEL, True, align="center"))
    scene.add(Text(x, y - 7.5, small, shapes.DETAIL, ink="accent", align="center"))
