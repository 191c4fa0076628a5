"""A stack as towers show it, and the towers it is cut into where one would be too tall."""

from __future__ import annotations

from dataclasses import dataclass

from archspec.architecture.graph import OperatorGraph
from archspec.architecture.model import Architecture
from archspec.architecture.mtp import MtpModules
from archspec.architecture.stack import Stack
from archspec.draw import block as blocks
from archspec.draw import facts
from archspec.draw.block import Part
from archspec.language.schedule import Run
from archspec.mechanisms.base import Mechanism


@dataclass(frozen=True)
class Course:
    """A stack with the graphs before and behind its layers, and what stands beside it.

    `title` names it where there are two. `encodes` says that it ends in states for another one,
    `vectors` is the shape of the vectors that its layers read beside the stream.
    """

    stack: Stack
    before: OperatorGraph
    behind: OperatorGraph | None
    title: str = ""
    encodes: bool = False
    vectors: tuple[int, int] | None = None
    mtp: MtpModules | None = None


class Ledger:
    """What towers share: layouts by block, and which blocks and mechanisms were shown."""

    def __init__(self, architecture: Architecture) -> None:
        """Nothing is shown yet."""
        self.architecture = architecture
        self.kinds = {block.name: n for n, block in enumerate(architecture.blocks)}
        found = dict.fromkeys(layer.block for layer in architecture.all_layers)
        self.graphs = {b.name: b.graph(architecture.hidden_size) for b in found}
        self.half = blocks.half_width(list(self.graphs.values()), list(self.graphs))
        self.seen: dict[str, object] = {}
        self.known: list[Mechanism] = []

    def copy(self) -> Ledger:
        """Another one in which the same things were shown."""
        other = Ledger(self.architecture)
        other.seen, other.known = dict(self.seen), list(self.known)
        return other

    def part(self, name: str) -> Part:
        """A block painted in full, or as what it adds to what was shown."""
        kind, graph = self.kinds[name], self.graphs[name]
        block = self.architecture.blocks[kind]
        if name in self.seen:
            return blocks.again(block, kind, self.half)
        wiring = blocks.wiring(graph)
        like = next((k for k, seen in self.seen.items() if seen == wiring), None)
        self.seen[name] = wiring
        number = facts.count(self.architecture, block)
        layers = f"{number:,} layer" + ("" if number == 1 else "s")
        known = tuple(self.known)
        self.known += [branch.body for branch in block.branches]
        if like is None or len(block.branches) < 2:
            return blocks.full(block, kind, graph, self.half, layers, known)
        return blocks.compact(block, kind, graph, self.half, layers, known, self.kinds[like])


def courses(architecture: Architecture) -> list[Course]:
    """The encoder's course where its layers are part of the model, then the decoder's."""
    encoder, out = architecture.encoder, list[Course]()
    if encoder and encoder.layers:
        before, *behind = architecture.encoder_graphs
        out.append(Course(encoder, before, behind[0] if behind else None, "Encoder", True))
    vectors = architecture.embedding.per_layer
    return [
        *out,
        Course(
            architecture.stack,
            architecture.embedding_graph,
            architecture.head_graph,
            "Decoder" if out else "",
            vectors=(len(architecture.layers), vectors.width) if vectors else None,
            mtp=architecture.mtp,
        ),
    ]


def depth(item: str | Run) -> int:
    """How deep frames nest in an item of the schedule."""
    if isinstance(item, str) or (len(item.items) == 1 and isinstance(item.items[0], str)):
        return 0
    return 1 + max(depth(inner) for inner in item.items)


def segments(item: str | Run) -> int:
    """How many blocks a tower of the schedule shows."""
    return 1 if isinstance(item, str) else sum(segments(inner) for inner in item.items)
