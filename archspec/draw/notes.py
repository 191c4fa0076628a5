"""Notes beside the tower: what a mechanism does in numbers, joined by dotted leaders."""

from __future__ import annotations

from dataclasses import dataclass

from archspec.draw import facts, prose
from archspec.draw.curves import polyline
from archspec.draw.scene import Curve, Scene
from archspec.draw.tower import Tower

WIDTH = 196.0
_SIZE, _LEAD, _BETWEEN = prose.SIZE, 26.0, 9.0


@dataclass(frozen=True)
class Note:
    """Lines of text that belong to the box whose right end is at (x, y)."""

    x: float
    y: float
    lines: list[str]
    tip: str = ""

    @property
    def height(self) -> float:
        """How tall it is."""
        return len(self.lines) * _SIZE * prose.LEADING


def notes(tower: Tower) -> list[Note]:
    """The notes of a tower, from the bottom to the top."""
    architecture = tower.architecture
    out: list[Note] = []
    if not tower.number:
        out.append(Note(*tower.entrance, _entrance(tower)))
    for anchor in tower.anchors:
        body = anchor.mechanism
        sentences = (
            body.caption(architecture.hidden_size),
            facts.rotates(body),
            facts.keeps(body),
        )
        text = [line for s in sentences if s for line in prose.lines(s, WIDTH, _SIZE)]
        out.append(Note(anchor.x, anchor.y, text, body.role()))
    return out


def paint(scene: Scene, tower: Tower) -> tuple[float, float]:
    """Paint the notes on the right of the tower; gives back their right end and highest top."""
    tops = _settle(notes(tower), tower)
    highest, furthest = 0.0, tower.right
    for note, top in tops:
        # A wide embedding pushes its own note aside, not the others.
        edge = max(tower.right, note.x)
        left = edge + _LEAD
        y = top - _SIZE * prose.LEADING / 2
        turn = edge + _LEAD / 2
        start = note.x
        for near, far in _in_the_way(scene, note, turn):
            scene.add(Curve(polyline([(start, note.y), (near, note.y)], 4), "muted", 1.1, "dotted"))
            start = far
        corners = [(start, note.y), (turn, note.y), (turn, y), (left - 4, y)]
        scene.add(Curve(polyline(corners, 4), "muted", 1.1, "dotted"))
        prose.draw(scene, left, top, note.lines, _SIZE, note.tip)
        highest, furthest = max(highest, top), max(furthest, left + WIDTH)
    return furthest, highest


def _in_the_way(scene: Scene, note: Note, turn: float) -> list[tuple[float, float]]:
    """The left and right ends of boxes that a leader would cross, such as a parallel branch."""
    found: set[tuple[float, float]] = set()
    for box in scene.boxes():
        left, right = box.x - box.w / 2, box.x + box.w / 2
        if note.x < left and right < turn and abs(box.y - note.y) < box.h / 2:
            found.add((left, right))
    return sorted(found)


def _settle(found: list[Note], tower: Tower) -> list[tuple[Note, float]]:
    """The top of each note: at its box, pushed up where the one below needs the room."""
    out: list[tuple[Note, float]] = []
    floor = 0.0
    for note in found:
        wish = note.y + _SIZE * prose.LEADING / 2
        top = max(wish, floor + note.height)
        out.append((note, top))
        floor = top + _BETWEEN
    return out


def _entrance(tower: Tower) -> list[str]:
    """What stands before the layers."""
    architecture, course = tower.architecture, tower.course
    width, rows = architecture.hidden_size, architecture.vocab_size
    length = course.stack.context_length
    said = [
        f"The same token vectors; sources of up to {length:,} tokens."
        if course.encodes
        else f"A vocabulary of {rows:,} tokens, hidden size {width:,}; "
        f"texts of up to {length:,} tokens."
    ]
    if course.vectors and architecture.layer_vectors_graph:
        layers, wide = course.vectors
        weight = facts.weighs(architecture.layer_vectors_graph, "in all")
        said.append(f"A vector of width {wide:,} for each of {layers:,} layers: {weight}")
    return [line for sentence in said for line in prose.lines(sentence, WIDTH, _SIZE)]
