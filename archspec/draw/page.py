"""The whole figure: heading, key numbers, ribbon, tower with notes, insets in columns."""

from __future__ import annotations

from dataclasses import dataclass
from math import log

from archspec.architecture.model import Architecture
from archspec.draw import metrics, ribbon, trunk
from archspec.draw.facts import facts
from archspec.draw.inset import Inset, inset
from archspec.draw.scene import Box, Scene, Text
from archspec.draw.subjects import subjects

_MARGIN, _COLUMN, _STACK = 36.0, 22.0, 18.0
_ASPECT, _WIDER = 1.15, 1.5
"""The best width over height; two stacks side by side make a wider page."""
_LEAST = 760.0


@dataclass(frozen=True)
class Page:
    """A finished scene and its size in points."""

    scene: Scene
    width: float
    height: float


def page(architecture: Architecture) -> Page:
    """Lay out the figure of `architecture`."""
    body, width, height = _body(architecture)
    inner = max(width, _LEAST)
    head = Scene()
    bottom = _heading(head, architecture, inner)
    bottom = _tiles(head, architecture, inner, bottom - 14)
    bottom = ribbon.paint(head, architecture, inner, bottom - 18) - 14
    scene = Scene()
    whole = height - bottom + 2 * _MARGIN
    scene.place(head, _MARGIN, whole - _MARGIN)
    scene.place(body, _MARGIN + (inner - width) / 2, _MARGIN)
    return Page(scene, inner + 2 * _MARGIN, whole)


def insets(architecture: Architecture) -> list[Inset]:
    """One panel for each distinct mechanism, mixers first, and what stands beside the layers."""
    return [inset(subject, architecture.context_length) for subject in subjects(architecture)]


def _heading(scene: Scene, architecture: Architecture, width: float) -> float:
    """Title, subtitle and summary from 0 downwards; gives back where they end."""
    title = architecture.title
    size = 30.0 if metrics.width(title, 30, True) <= width else 19.0
    y = 0.0
    for line in metrics.wrap(title, width, size, True, 6):
        scene.add(Text(0, y - size * 0.6, line, size, True))
        y -= size * 1.2
    about = architecture.about
    said = [part for part in (about.organization, about.released, about.license) if part]
    said = said or [architecture.name] * (architecture.name != title)
    if said:
        line = metrics.clip(" · ".join(said), width, 12)
        scene.add(Text(0, y - 11, line, 12, ink="muted"))
        y -= 19
    if about.summary:
        y -= 4
        for line in metrics.wrap(about.summary, min(width, 760), 11, lines=3):
            scene.add(Text(0, y - 8, line, 11))
            y -= 15.5
    return y


def _tiles(scene: Scene, architecture: Architecture, width: float, top: float) -> float:
    """The key numbers, a tile each; gives back where they end."""
    found = facts(architecture)
    gap, tall = 10.0, 58.0
    each = (width - gap * (len(found) - 1)) / len(found)
    for number, fact in enumerate(found):
        x, y = number * (each + gap), top - tall / 2
        scene.add(Box(x + each / 2, y, each, tall, "round", "panel", "rule", 0.8, tip=fact.path))
        room = each - 22
        size = 18.0 * min(1.0, room / metrics.width(fact.value, 18, True))
        scene.add(Text(x + 11, y + 18, fact.name, 9, ink="muted", tip=fact.path))
        scene.add(Text(x + 11, y + 1, fact.value, size, True, tip=fact.path))
        if fact.note:
            note = metrics.clip(fact.note, room, 8.5)
            scene.add(Text(x + 11, y - 17, note, 8.5, ink="muted", tip=fact.path))
    return top - tall


def _body(architecture: Architecture) -> tuple[Scene, float, float]:
    """Tower, notes and insets, from the origin upwards."""
    scene, wide, height = trunk.paint(architecture)
    panels = insets(architecture)
    two = architecture.encoder is not None and architecture.encoder.layers
    best_aspect = _WIDER if two else _ASPECT
    best = min(
        (_columns(panels, count) for count in range(1, min(6, len(panels)) + 1)),
        key=lambda columns: _cost(columns, wide, height, best_aspect),
    )
    best = [_aligned(column, architecture) for column in best]
    tall = max([height, *(_tall(column) for column in best)])
    whole = Scene()
    whole.place(scene, 0, (tall - height) / 2)
    x = wide + _COLUMN
    for column in best:
        spare = (tall - _tall(column)) / len(column)
        gap = _STACK + min(36.0, spare)
        used = _tall(column) + (gap - _STACK) * (len(column) - 1)
        y = tall - (tall - used) / 2
        for panel in column:
            y -= panel.height
            whole.place(panel.scene, x, y)
            y -= gap
        x += column[0].width + _COLUMN
    return whole, x - _COLUMN, tall


def _aligned(column: list[Inset], architecture: Architecture) -> list[Inset]:
    """The panels of a column at the width of the widest."""
    wide = max(panel.width for panel in column)
    context = architecture.context_length
    return [
        panel if panel.width == wide else inset(panel.subject, context, wide) for panel in column
    ]


def _tall(column: list[Inset]) -> float:
    return sum(panel.height for panel in column) + _STACK * (len(column) - 1)


def _columns(panels: list[Inset], count: int) -> list[list[Inset]]:
    """`panels` in order, in `count` columns whose tallest is as short as can be."""
    low, high = max(panel.height for panel in panels), _tall(panels)
    while high - low > 1:
        middle = (low + high) / 2
        if len(_fill(panels, middle)) <= count:
            high = middle
        else:
            low = middle
    return _fill(panels, high)


def _fill(panels: list[Inset], height: float) -> list[list[Inset]]:
    columns: list[list[Inset]] = [[]]
    for panel in panels:
        if columns[-1] and _tall([*columns[-1], panel]) > height:
            columns.append([])
        columns[-1].append(panel)
    return columns


def _cost(columns: list[list[Inset]], trunk: float, height: float, aspect: float) -> float:
    """How far the page is from its best proportions."""
    wide = trunk + sum(max(p.width for p in column) + _COLUMN for column in columns)
    tall = max([height, *(_tall(column) for column in columns)]) + 230
    room = (wide - trunk) * (tall - 230)
    empty = 1 - sum(p.width * p.height for column in columns for p in column) / room
    return abs(log(max(wide, _LEAST) / tall / aspect)) + empty / 2
