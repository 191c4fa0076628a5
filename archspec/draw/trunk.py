"""All towers of a model side by side, with their notes and the line that joins two stacks."""

from __future__ import annotations

from math import ceil

from archspec.architecture.model import Architecture
from archspec.draw import beside, feeds, notes
from archspec.draw.course import Course, Ledger, courses, segments
from archspec.draw.curves import polyline
from archspec.draw.scene import Curve, Point, Scene, Text
from archspec.draw.tower import Tower
from archspec.language.schedule import Run

_TALLEST = 1150.0
_MOST = 14
"""A taller tower is cut; with more segments it shows kinds and leaves their order to the ribbon."""
_GAP, _ROOM = 22.0, 74.0
_BRINGS = "keys, values"


def towers(architecture: Architecture) -> list[Tower]:
    """The towers of every stack, an encoder's first."""
    ledger, out = Ledger(architecture), list[Tower]()
    for course in courses(architecture):
        out += _cut(architecture, course, ledger, sum(not tower.last for tower in out))
    return out


def _cut(architecture: Architecture, course: Course, ledger: Ledger, offset: int) -> list[Tower]:
    """A stack's tower, cut between segments into several where it would be taller than a page."""
    items = course.stack.schedule.items
    counted = segments(course.stack.schedule) <= _MOST
    if not counted:
        # Too irregular for the tower, which leaves the order to the ribbon.
        items = tuple(block.name for block in course.stack.blocks)
    before = ledger.copy()
    whole = Tower(architecture, course, ledger, items, counted, offset=offset)
    if whole.top <= _TALLEST or len(items) < 2:
        return [whole]
    parts = ceil(whole.top / _TALLEST)
    groups: list[list[str | Run]] = [[]]
    for item, stop in zip(items, whole.stops, strict=True):
        if groups[-1] and stop > len(groups) * (whole.top / parts) * 1.04:
            groups.append([])
        groups[-1].append(item)
    ledger.seen, ledger.known = before.seen, before.known
    last = len(groups) - 1
    return [
        Tower(architecture, course, ledger, tuple(group), counted, n, n == last, offset)
        for n, group in enumerate(groups)
    ]


def paint(architecture: Architecture) -> tuple[Scene, float, float]:
    """The towers with their notes, from the origin; gives back their width and height too."""
    scene, x, height = Scene(), 0.0, 0.0
    states: Point | None = None
    for tower in towers(architecture):
        right, highest = notes.paint(tower.scene, tower)
        left = tower.left
        if tower.course.encodes and tower.last:
            top = max(tower.top, highest) + 16
            tower.scene.add(Curve(polyline([(0, tower.top), (0, top)]), arrow=True))
            _, end = beside.states(tower.scene, 0, top + 17.5, None)
            states = (x - left + end, top + 17.5)
            tower.top = top + 35
        ends = tower.reading(feeds.STATES)
        if ends:
            left = _bring(scene, tower, ends, x, states)
        scene.place(tower.scene, x - left, 0)
        x += right - left + _GAP
        height = max(height, tower.top, highest)
    return scene, x - _GAP, height


def _bring(scene: Scene, tower: Tower, ends: list[Point], x: float, states: Point | None) -> float:
    """Paint what brings the encoder's states to a tower that begins at `x`.

    Gives back the left end of the tower, in its own coordinates, with what was painted.
    """
    architecture = tower.architecture
    encoder = architecture.encoder
    assert encoder
    if not tower.number and states:
        lane = tower.left - 10
        shift = x - (lane - 4)
        feeds.lead(scene, states, lane + shift, [(a + shift, b) for a, b in ends])
        scene.add(Text(states[0] + 12, states[1] + 8, _BRINGS, 9, ink="muted"))
        return lane - 4
    y = ends[0][1]
    if tower.number:
        lane = tower.left - 16
        feeds.resume(tower.scene, feeds.STATES, lane, ends)
        return lane - feeds.ROUND
    lane = tower.left - 10
    middle = lane - _ROOM
    probe = beside.states(Scene(), 0, 0, encoder.context_length)
    middle -= probe[1]
    left, right = beside.states(tower.scene, middle, y, encoder.context_length)
    feeds.lead(tower.scene, (right, y), lane, ends)
    tower.scene.add(Text(right + 6, y + 8, _BRINGS, 9, ink="muted"))
    return left
