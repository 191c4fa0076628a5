"""What a figure consists of: boxes, lines of text and curves, in points, y upwards."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

from archspec.draw import metrics

Point = tuple[float, float]
Shape = Literal["box", "round", "circle"]
Align = Literal["left", "center", "right"]
Stroke = Literal["solid", "dashed", "dotted"]


@dataclass(frozen=True)
class Box:
    """A shape around its centre; `fill`, `line` are colour roles, `tip` what hovering shows.

    `above` marks what may lie across other boxes, such as the cards behind a stack.
    """

    x: float
    y: float
    w: float
    h: float
    shape: Shape = "round"
    fill: str = "box"
    line: str = "wire"
    pen: float = 1.0
    stroke: Stroke = "solid"
    tip: str = ""
    above: bool = False


@dataclass(frozen=True)
class Text:
    """One line of text; (x, y) is its left end, middle or right end at half its height."""

    x: float
    y: float
    text: str
    size: float = 10.0
    bold: bool = False
    ink: str = "ink"
    align: Align = "left"
    tip: str = ""

    @property
    def width(self) -> float:
        """Its width in points."""
        return metrics.width(self.text, self.size, self.bold)

    @property
    def left(self) -> float:
        """Where it begins."""
        return self.x - {"left": 0.0, "center": 0.5, "right": 1.0}[self.align] * self.width


@dataclass(frozen=True)
class Curve:
    """A Bézier spline through 3n + 1 control points."""

    points: tuple[Point, ...]
    line: str = "wire"
    pen: float = 1.0
    stroke: Stroke = "solid"
    arrow: bool = False


Item = Box | Text | Curve


@dataclass
class Scene:
    """Items in the order of painting."""

    items: list[Item] = field(default_factory=list[Item])

    def add(self, *items: Item) -> None:
        """Paint `items` over what is there."""
        self.items += items

    def place(self, other: Scene, dx: float, dy: float) -> None:
        """Paint another scene, moved."""
        self.items += [moved(item, dx, dy) for item in other.items]

    def boxes(self) -> list[Box]:
        """Its boxes."""
        return [item for item in self.items if isinstance(item, Box)]

    def texts(self) -> list[Text]:
        """Its lines of text."""
        return [item for item in self.items if isinstance(item, Text)]


def moved(item: Item, dx: float, dy: float) -> Item:
    """`item` at another place."""
    if isinstance(item, Curve):
        return replace(item, points=tuple((x + dx, y + dy) for x, y in item.points))
    return replace(item, x=item.x + dx, y=item.y + dy)


def run(x: float, y: float, parts: list[Text]) -> list[Text]:
    """Texts of different styles set one after the other on one line that begins at `x`."""
    out: list[Text] = []
    for part in parts:
        out.append(replace(part, x=x, y=y, align="left"))
        x += part.width
    return out
