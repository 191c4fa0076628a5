"""How many layers there are of each kind, and what kinds are called."""

from __future__ import annotations

from collections import Counter

from archspec.architecture.block import Block
from archspec.architecture.model import Architecture
from archspec.mechanisms import FeedForward, Mixer, members
from archspec.mechanisms.base import Mechanism


def layer_mix(architecture: Architecture) -> dict[str, int]:
    """How many layers there are of each kind, by what mixes tokens in them."""
    return dict(Counter(_kind(layer.block) for layer in architecture.all_layers))


def counted_layers(architecture: Architecture) -> list[str]:
    """The same in words, as each mechanism counts itself: `36 gated DeltaNets`."""
    found: dict[str, list[Block]] = {}
    for layer in architecture.all_layers:
        found.setdefault(_kind(layer.block), []).append(layer.block)
    return [
        f"{len(blocks)} {kind if len(blocks) == 1 else _plural(blocks[0])}"
        for kind, blocks in found.items()
    ]


def mixers(block: Block) -> list[Mechanism]:
    """The mechanisms of a block that mix information across tokens."""
    return _of(block, members(Mixer))


def feedforwards(block: Block) -> list[Mechanism]:
    """The mechanisms of a block that work on each token by itself."""
    return _of(block, members(FeedForward))


def _of(block: Block, kinds: tuple[type[Mechanism], ...]) -> list[Mechanism]:
    return [branch.body for branch in block.branches if isinstance(branch.body, kinds)]


def _kind(block: Block) -> str:
    """`sliding attention`; several mixers of one layer joined by `+`."""
    bodies = mixers(block) or feedforwards(block)
    return " + ".join(body.label() for body in bodies)


def _plural(block: Block) -> str:
    bodies = mixers(block) or feedforwards(block)
    return bodies[0].plural() if len(bodies) == 1 else f"{_kind(block)} layers"
