"""The numbers of a figure, all computed from the architecture."""

from __future__ import annotations

from dataclasses import dataclass

from archspec.architecture.block import Block
from archspec.architecture.graph import OperatorGraph, counts
from archspec.architecture.model import Architecture
from archspec.mechanisms.base import Mechanism, State

BYTES = 2
"""Of a number in bf16."""


@dataclass(frozen=True)
class Fact:
    """A number as shown, what it is, and where the spec says it."""

    name: str
    value: str
    note: str = ""
    path: str = ""


def facts(architecture: Architecture) -> list[Fact]:
    """The numbers about the whole model."""
    total, active = parameters(architecture)
    exact = f"{total:,}"
    shares = f"{compact(active)} active per token" if architecture.is_sparse else exact
    if shares == compact(total):
        shares = "in all"
    out = [
        Fact("Parameters", compact(total), shares, f"{exact}: the sum over every tensor"),
        Fact("Layers", _layers(architecture), _kinds(architecture), "layers"),
        Fact("Hidden size", f"{architecture.hidden_size:,}", "numbers per token", "hidden_size"),
        Fact("Vocabulary", f"{architecture.vocab_size:,}", _head(architecture), "vocab_size"),
        Fact(
            "Context", f"{architecture.context_length:,}", _source(architecture), "context_length"
        ),
    ]
    if architecture.is_causal:
        note = "per token, bf16"
        fixed = sum(state.fixed_bytes(BYTES) for state in _states(architecture))
        if fixed:
            note += f", and {amount(fixed)} fixed"
        path = "sum over layers of what a mixer keeps"
        out.append(Fact("Cache", amount(cache_per_token(architecture)), note, path))
    if architecture.encoder:
        size, note = amount(cache_per_source(architecture)), "per source token, bf16"
        path = "sum over layers of what cross-attention keeps"
        out.append(Fact("Cache of the source", size, note, path))
    return out


def parameters(architecture: Architecture) -> tuple[int, int]:
    """All parameters, and those that one token uses."""
    found = counts(architecture.parameters())
    return found.learned, found.active


def cache_per_token(architecture: Architecture) -> int:
    """Bytes that one more token adds to the cache in bf16, as long as no window is full."""
    return BYTES * sum(state.per_token for state in _states(architecture))


def cache_per_source(architecture: Architecture) -> int:
    """Bytes that one more token of the encoder's text adds to the cache in bf16."""
    return BYTES * sum(state.per_source for state in _states(architecture))


def weighs(graph: OperatorGraph, where: str = "in each layer") -> str:
    """The parameters of a graph and `where` they are, as a sentence."""
    own = counts(graph.parameters())
    text = f"{own.learned:,} parameters {where}"
    return f"{text}, {own.active:,} of them active." if own.active < own.learned else f"{text}."


def keeps(mechanism: Mechanism) -> str:
    """What one layer keeps between tokens, as a sentence; empty if nothing."""
    state = mechanism.state()
    parts: list[str] = []
    if state.per_token:
        size = amount(state.per_token * BYTES)
        parts.append(
            f"{size} for each of the last {state.window:,} tokens"
            if state.window
            else f"{size} for each token"
        )
    if state.per_source:
        size = amount(state.per_source * BYTES)
        parts.append(f"{size} for each token of the source")
    if fixed := state.fixed_bytes(BYTES):
        parts.append(f"{amount(fixed)} in all")
    return f"Keeps {' and '.join(parts)}." if parts else ""


def rotates(mechanism: Mechanism) -> str:
    """Its rotary positions as a sentence; empty without them."""
    rotary = mechanism.rotary()
    if rotary is None:
        return ""
    rope, head_dim = rotary
    text = f"RoPE base {rope.theta:,.0f}"
    width = rope.width(head_dim)
    if width < head_dim:
        which = "the last " if rope.last else ""
        text += f", on {which}{width} of {head_dim} dimensions"
    elif rope.proportional:
        text += f", on {rope.fraction:.0%} of the dimensions"
    if rope.scaling:
        text += f", {rope.scaling.caption()}"
    return text + "."


def count(architecture: Architecture, block: Block) -> int:
    """How many layers are of the kind `block`."""
    return sum(layer.block is block or layer.block == block for layer in architecture.all_layers)


def uses(architecture: Architecture, block: Block) -> int:
    """How often `block` is used: in layers, or else in the MTP modules."""
    mtp = architecture.mtp
    return count(architecture, block) or (mtp.depth if mtp else 0)


def compact(number: int) -> str:
    """Three or four digits and a unit: `268.1M`."""
    for unit, size in (("T", 10**12), ("B", 10**9), ("M", 10**6)):
        if number >= size:
            scaled = number / size
            return f"{scaled:.2f}{unit}" if scaled < 100 else f"{scaled:.1f}{unit}"
    return f"{number:,}"


def amount(size: int) -> str:
    """Bytes with a binary unit: `18 KiB`."""
    for unit, scale in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if size >= scale:
            return f"{size / scale:.4g} {unit}"
    return f"{size:,} B"


def _states(architecture: Architecture) -> list[State]:
    return [branch.body.state() for layer in architecture.layers for branch in layer.block.branches]


def _layers(architecture: Architecture) -> str:
    encoder = architecture.encoder
    before = f"{len(encoder.layers):,} + " if encoder and encoder.layers else ""
    return f"{before}{len(architecture.layers):,}"


def _kinds(architecture: Architecture) -> str:
    if architecture.encoder and architecture.encoder.layers:
        return "encoder + decoder"
    kinds = len(architecture.stack.blocks)
    return "all alike" if kinds == 1 else f"of {kinds} kinds"


def _source(architecture: Architecture) -> str:
    encoder = architecture.encoder
    return f"tokens, source {encoder.context_length:,}" if encoder else "tokens"


def _head(architecture: Architecture) -> str:
    if architecture.head is None:
        return "no output layer"
    return "tied embedding" if architecture.head.tied else "separate output layer"
