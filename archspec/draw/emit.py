"""A scene as DOT: every shape and text a node with a pinned position, every curve an edge."""

from __future__ import annotations

from typing import Protocol, cast

from archspec.draw import metrics
from archspec.draw.scene import Align, Box, Curve, Scene, Text
from archspec.draw.theme import Theme

REGULAR, BOLD = "Inter", "Inter Semi-Bold"
_INCH = 72.0
_JUSTIFY: dict[Align, str] = {"left": r"\l", "center": "", "right": r"\r"}
_SHAPES = {"box": "box", "round": "box", "circle": "circle"}


class _Canvas(Protocol):
    """What is used of `graphviz.Graph`, whose own annotations leave the attributes open."""

    @property
    def source(self) -> str: ...

    def node(self, name: str, label: str | None = None, **attributes: str) -> None: ...

    def edge(self, tail_name: str, head_name: str, **attributes: str) -> None: ...


def emit(scene: Scene, width: float, height: float, theme: Theme) -> str:
    """The DOT text of a page of `width` × `height` points."""
    from graphviz import Graph

    empty = Graph(
        "figure",
        graph_attr={"pad": "0", "bgcolor": theme["paper"], "outputorder": "nodesfirst"},
        node_attr={
            "shape": "box",
            "label": "",
            "margin": "0",
            "fixedsize": "shape",
            "fontname": REGULAR,
            "pos": "0,0",
        },
        edge_attr={"arrowhead": "none", "arrowsize": "0.55"},
    )
    graph = cast("_Canvas", empty)
    # A page as large as the figure fixes its bounds; curves hang on an invisible node.
    page = Box(width / 2, height / 2, width, height, "box", "paper", "paper", 0)
    _box(graph, "page", page, theme)
    graph.node("anchor", shape="point", style="invis", width="0.01", height="0.01")
    for number, item in enumerate(scene.items):
        if isinstance(item, Box):
            _box(graph, f"n{number}", item, theme)
        elif isinstance(item, Text):
            _text(graph, f"n{number}", item, theme)
        else:
            _curve(graph, item, theme)
    return graph.source


def tips(scene: Scene) -> dict[str, str]:
    """What hovering shows, by the names that nodes have in the DOT text."""
    named = ((f"n{number}", item) for number, item in enumerate(scene.items))
    return {name: item.tip for name, item in named if not isinstance(item, Curve) and item.tip}


def at(scene: Scene) -> dict[str, float]:
    """Where each text that the carried font lacks glyphs for is anchored, by its node's name.

    Graphviz measures such a text by glyphs that stand for none.
    """
    return {
        f"n{number}": item.x
        for number, item in enumerate(scene.items)
        if isinstance(item, Text) and metrics.lacking(item.text)
    }


def _box(graph: _Canvas, name: str, box: Box, theme: Theme) -> None:
    styles = ["filled"] if box.fill != "none" else []
    styles += ["rounded"] if box.shape == "round" else []
    styles += [box.stroke] if box.stroke != "solid" else []
    fill = {"fillcolor": theme[box.fill]} if box.fill != "none" else {}
    graph.node(
        name,
        pos=_at(box.x, box.y),
        width=f"{box.w / _INCH:.4f}",
        height=f"{box.h / _INCH:.4f}",
        shape=_SHAPES[box.shape],
        style=",".join(styles) or "solid",
        color=theme[box.line],
        penwidth=f"{box.pen:g}",
        **fill,
    )


def _text(graph: _Canvas, name: str, text: Text, theme: Theme) -> None:
    from graphviz import escape

    # Graphviz reads `&lt;` in a label as a character, so every ampersand is written as one.
    label = escape(text.text.replace("&", "&amp;"))
    if text.align != "center":
        label = f"{label}{_JUSTIFY[text.align]}"
    # A little wider than the text, or a rounding would move where it begins.
    wide = text.width * 1.03 + 2
    start = {"left": wide / 2, "center": 0.0, "right": -wide / 2}[text.align]
    graph.node(
        name,
        label,
        pos=_at(text.x + start, text.y),
        width=f"{wide / _INCH:.4f}",
        height=f"{text.size * 1.2 / _INCH:.4f}",
        shape="plaintext",
        fontsize=f"{text.size:g}",
        fontcolor=theme[text.ink],
        **({"fontname": BOLD} if text.bold else {}),
    )


def _curve(graph: _Canvas, curve: Curve, theme: Theme) -> None:
    points = list(curve.points)
    start = ""
    if curve.arrow:
        # Graphviz draws the head from the spline's end to the point after `e`.
        (ax, ay), (bx, by) = points[-2], points[-1]
        length = max(1e-6, ((bx - ax) ** 2 + (by - ay) ** 2) ** 0.5)
        back = min(5.0, 0.8 * length)
        tip = points[-1]
        points[-1] = (bx - (bx - ax) * back / length, by - (by - ay) * back / length)
        start = f"e,{_at(*tip)} "
    graph.edge(
        "anchor",
        "anchor",
        pos=start + " ".join(_at(*point) for point in points),
        color=theme[curve.line],
        penwidth=f"{curve.pen:g}",
        **({"style": curve.stroke} if curve.stroke != "solid" else {}),
        **({"arrowhead": "normal", "dir": "forward"} if curve.arrow else {}),
    )


def _at(x: float, y: float) -> str:
    return f"{x:.2f},{y:.2f}"
