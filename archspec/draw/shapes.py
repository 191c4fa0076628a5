"""How an operator is drawn: its shape and colours by kind, its lines of text, its size."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from archspec.architecture.graph import Operator, Parameter
from archspec.draw import metrics
from archspec.draw.flow import Size
from archspec.draw.scene import Box, Scene, Shape, Stroke, Text

LABEL, DETAIL = 10.5, 8.5
_WIDEST = 210.0


@dataclass(frozen=True)
class Look:
    """The shape and colour roles of a kind of operator."""

    shape: Shape = "round"
    fill: str = "box"
    stroke: Stroke = "solid"
    ink: str = "ink"


PLAIN = Look()
LOOKS: Mapping[str, Look] = {
    "linear": Look("box", "weight"),
    "embedding": Look("box", "weight"),
    "attention": Look("round", "strong", ink="strong.ink"),
    "recurrence": Look("round", "strong", ink="strong.ink"),
    "conv": Look("box", "weight"),
    "select": Look("box", "weight"),
    "sink": Look("round", "box", "dashed"),
    "bias": Look("round", "box", "dashed"),
    "shared": Look("round", "box", "dashed"),
    "router": Look("box", "weight"),
    "experts": Look("round", "panel"),
    "module": Look("round", "weight"),
}
_SIGNS = ("add", "multiply")


def shape_text(shape: tuple[int, ...]) -> str:
    """A shape as people write it: `4 × 256`."""
    return " × ".join(f"{n:,}" for n in shape)


def detail(operator: Operator) -> str:
    """The second line: what shape comes out, and what is particular."""
    parts: list[str] = []
    if operator.kind in ("linear", "sink"):
        parts.append(shape_text(operator.shape))
    if operator.kind == "embedding" and operator.parameters:
        parts.append(shape_text(operator.parameters[0].shape))
    if operator.kind == "positions":
        parts.append("computed")
    if operator.kind == "scale" and operator.parameters:
        parts.append(_stored(operator.parameters[0]))
    if operator.detail:
        parts.append(operator.detail)
    if any(p.name.endswith("bias") for p in operator.parameters) and operator.kind != "norm":
        parts.append("bias")
    return " · ".join(parts)


def _stored(factor: Parameter) -> str:
    """What is particular about a factor that a checkpoint holds."""
    if not factor.trained:
        return "stored, not trained"
    return "learned for each channel" if factor.size > 1 else "learned"


def look(operator: Operator) -> Look:
    """Its shape and colours, before any accent."""
    if operator.kind == "module" and looks_across(operator):
        return LOOKS["attention"]
    if operator.kind == "embedding" and not operator.parameters:
        return Look("box", "weight", "dashed")
    return LOOKS.get(operator.kind, PLAIN)


def is_sign(operator: Operator) -> bool:
    """Whether it is drawn as a small circle with a sign."""
    return operator.kind in _SIGNS and len(operator.label) <= 3


def looks_across(operator: Operator) -> bool:
    """Whether it or something inside it reads other tokens."""
    if operator.mask is not None or operator.per_key or operator.kind in ("conv", "recurrence"):
        return True
    return operator.inside is not None and any(map(looks_across, operator.inside.operators))


def measure(operator: Operator, brief: bool = False) -> Size:
    """The size of its shape around its text; `brief` leaves out the second line."""
    if is_sign(operator):
        side = max(19.0, metrics.width(operator.label, LABEL) + 9)
        return Size(side, side, round=True)
    if operator.kind in ("input", "output"):
        return Size(metrics.width(_port(operator), DETAIL) + 6, 13)
    small = "" if brief else detail(operator)
    wide = max(metrics.width(operator.label, LABEL, True), metrics.width(small, DETAIL))
    return Size(min(wide, _WIDEST) + 20, 35.0 if small else 23.0)


def draw(
    scene: Scene,
    operator: Operator,
    x: float,
    y: float,
    size: Size,
    accent: bool,
    brief: bool = False,
) -> None:
    """Paint it around (x, y), outlined in the accent colour if it is not plain."""
    if operator.kind in ("input", "output"):
        scene.add(Text(x, y, _port(operator), DETAIL, ink="muted", align="center"))
        return
    style = look(operator)
    shape: Shape = "circle" if size.round else style.shape
    line, pen = ("accent", 1.8) if accent else ("wire", 0.9)
    tip = _tip(operator)
    fill = "box" if size.round else style.fill
    scene.add(Box(x, y, size.w, size.h, shape, fill, line, pen, style.stroke, tip))
    small, room = "" if brief else detail(operator), size.w - 12
    up = 6.5 if small and not size.round else 0.0
    bold = operator.kind in ("module", "attention", "recurrence", "router")
    label = operator.label if size.round else metrics.clip(operator.label, room, LABEL, bold)
    scene.add(Text(x, y + up, label, LABEL, bold, style.ink, "center", tip))
    if small and not size.round:
        strong = style.fill == "strong"
        ink = ("strong.accent" if strong else "accent") if accent else style.ink
        ink = "muted" if ink == "ink" else ink
        text = metrics.clip(small, room, DETAIL)
        scene.add(Text(x, y - 7.5, text, DETAIL, ink=ink, align="center", tip=tip))


def _port(operator: Operator) -> str:
    return f"{operator.label}  {shape_text(operator.shape)}".rstrip()


def _tip(operator: Operator) -> str:
    """What hovering shows: the parameters and their shapes."""
    named = [f"{p.name}: {shape_text(p.shape)}" for p in operator.parameters]
    return "\n".join(named) or f"{operator.name}: {shape_text(operator.shape)}"
