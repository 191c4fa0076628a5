"""Architecture → its numbers: parameters, cache, FLOPs, for the model and for each layer.

Everything is summed over the operator graphs and states of the mechanisms, so a number here is
the number of the built model. FLOPs are those of matrix products, a multiply-add being two.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, replace
from typing import Any

from archspec.architecture.block import Block
from archspec.architecture.graph import OperatorGraph, counts
from archspec.architecture.model import Architecture
from archspec.architecture.stack import Stack
from archspec.errors import ArchspecError
from archspec.language.wording import words
from archspec.mechanisms import FeedForward, Mixer, members
from archspec.mechanisms.base import Mechanism, State

BYTES: dict[str, int] = {"fp32": 4, "fp16": 2, "bf16": 2, "fp8": 1, "int8": 1}
"""Bytes of one number, by type."""

MAX_CONTEXT = 1 << 31
MAX_BATCH = 1 << 20


@dataclass(frozen=True)
class Parameters:
    """How many numbers are learned; `active` of them touch one token.

    Of a table that it looks up that is one row. `buffers` are stored and not learned, so that they
    are not among the parameters of a model.
    """

    total: int
    active: int
    embedding: int
    buffers: int


@dataclass(frozen=True)
class Cache:
    """Bytes kept between tokens.

    `bytes_per_token` is for each token that is kept, `bytes_per_source_token` for each token of an
    encoder's text, `state_bytes` however long the text, all for one sequence; `bytes` is
    everything at the report's context, source and batch.
    """

    bytes_per_token: int
    bytes_per_source_token: int
    state_bytes: int
    bytes: int


@dataclass(frozen=True)
class LayerCache:
    """A layer's share of the cache; `retained_tokens` is None where every token is kept."""

    bytes_per_token: int
    bytes_per_source_token: int
    retained_tokens: int | None
    state_bytes: int
    bytes: int


@dataclass(frozen=True)
class Flops:
    """For one sequence: reading the source and `context` tokens at once, and one more token.

    `decode` is None for a model that cannot be decoded token by token.
    """

    prefill: int
    decode: int | None


@dataclass(frozen=True)
class LayerReport:
    """The figures of one layer; `mixer` and `feedforward` are the types written in the spec."""

    index: int
    block: str
    mixer: str | None
    window: int | None
    feedforward: str | None
    parameters: int
    active: int
    cache: LayerCache
    flops: Flops


@dataclass(frozen=True)
class Report:
    """The figures of a model at one context length, batch size and number type.

    `source` is the length of the encoder's text, 0 without an encoder.
    """

    name: str
    context: int
    source: int
    batch: int
    dtype: str
    parameters: Parameters
    cache: Cache
    flops: Flops
    layer_mix: dict[str, int]
    layers: tuple[LayerReport, ...]
    encoder_layers: tuple[LayerReport, ...]

    def to_dict(self) -> dict[str, Any]:
        """As plain data for JSON: the same names, tuples as lists."""
        lists = {
            "layers": [asdict(layer) for layer in self.layers],
            "encoder_layers": [asdict(layer) for layer in self.encoder_layers],
        }
        return {**asdict(self), **lists}


def analyse(
    architecture: Architecture,
    context: int | None = None,
    batch: int = 1,
    dtype: str = "bf16",
    source: int | None = None,
) -> Report:
    """The numbers of `architecture` for `batch` sequences of `context` tokens in `dtype`.

    `context` is the model's own context length when left out, `source` the encoder's. Raises
    `ArchspecError` for an unknown `dtype` or a size out of range.
    """
    context = architecture.context_length if context is None else context
    _within("context", context, MAX_CONTEXT)
    _within("batch", batch, MAX_BATCH)
    if dtype not in BYTES:
        raise ArchspecError(f"unknown dtype {dtype!r}; expected one of {', '.join(BYTES)}")
    encoder = architecture.encoder
    if source is not None and encoder is None:
        raise ArchspecError("a source is for a model with an encoder; this one has none")
    source = 0 if encoder is None else encoder.context_length if source is None else source
    _within("source", source + (encoder is None), MAX_CONTEXT)
    setting = _Setting(architecture, context, source, batch, BYTES[dtype])
    once = {block: _layer(block, setting) for block in architecture.stack.blocks}
    layers = tuple(replace(once[layer.block], index=layer.index) for layer in architecture.layers)
    vectors = architecture.layer_vectors_graph
    ends = (architecture.embedding_graph, architecture.head_graph, *([vectors] if vectors else []))
    readers = _encoder_layers(encoder, setting) if encoder else ()
    causal = architecture.is_causal
    return Report(
        name=architecture.name,
        context=context,
        source=source,
        batch=batch,
        dtype=dtype,
        parameters=_parameters(architecture),
        cache=Cache(
            sum(layer.cache.bytes_per_token for layer in layers),
            sum(layer.cache.bytes_per_source_token for layer in layers),
            sum(layer.cache.state_bytes for layer in layers),
            sum(layer.cache.bytes for layer in layers),
        ),
        flops=Flops(
            sum(graph.flops(0, context) for graph in ends)
            + sum(graph.flops(0, source) for graph in architecture.encoder_graphs)
            + sum(layer.flops.prefill for layer in (*readers, *layers)),
            sum(graph.flops(context, 1) for graph in ends)
            + sum(layer.flops.decode or 0 for layer in layers)
            if causal
            else None,
        ),
        layer_mix=layer_mix(architecture),
        layers=layers,
        encoder_layers=readers,
    )


def layer_mix(architecture: Architecture) -> dict[str, int]:
    """How many layers there are of each kind, by what mixes tokens in them."""
    return dict(Counter(_kind(layer.block) for layer in architecture.all_layers))


def mixers(block: Block) -> list[Mechanism]:
    """The mechanisms of a block that mix information across tokens."""
    return _of(block, members(Mixer))


def feedforwards(block: Block) -> list[Mechanism]:
    """The mechanisms of a block that work on each token by itself."""
    return _of(block, members(FeedForward))


def type_of(mechanism: Mechanism) -> str:
    """The `type` by which a spec asks for `mechanism`."""
    return str(mechanism.model_dump(include={"type"})["type"])


@dataclass(frozen=True)
class _Setting:
    architecture: Architecture
    context: int
    source: int
    batch: int
    width: int


def _encoder_layers(encoder: Stack, setting: _Setting) -> tuple[LayerReport, ...]:
    # It reads its own text, as long as the source, and keeps nothing.
    alone = replace(setting, context=setting.source)
    once = {block: _layer(block, alone) for block in encoder.blocks}
    return tuple(replace(once[layer.block], index=layer.index) for layer in encoder.layers)


def _within(name: str, value: int, most: int) -> None:
    if not 1 <= value <= most:
        shown = (
            f"{value:,}" if abs(value) < 10**18 else f"a number of {len(str(abs(value)))} digits"
        )
        raise ArchspecError(f"{name} is a count from 1 to {most:,}, not {shown}")


def _of(block: Block, kinds: tuple[type[Mechanism], ...]) -> list[Mechanism]:
    return [branch.body for branch in block.branches if isinstance(branch.body, kinds)]


def _kind(block: Block) -> str:
    """`SlidingAttention` → `sliding attention`; several mixers of one layer joined by `+`."""
    bodies = mixers(block) or feedforwards(block)
    return " + ".join(words(body.role()) for body in bodies)


def _types(bodies: list[Mechanism]) -> str | None:
    return " + ".join(type_of(body) for body in bodies) or None


def _parameters(architecture: Architecture) -> Parameters:
    everything = counts(architecture.parameters())
    graphs = (architecture.embedding_graph, architecture.layer_vectors_graph)
    tables = [
        parameter
        for graph in graphs
        if graph
        for operator in graph.operators
        if operator.kind == "embedding"
        for parameter in operator.parameters
    ]
    return Parameters(
        everything.learned,
        everything.active,
        counts(tables).learned,
        everything.buffers,
    )


def _layer(block: Block, setting: _Setting) -> LayerReport:
    architecture, context, source = setting.architecture, setting.context, setting.source
    graph: OperatorGraph = block.graph(architecture.hidden_size)
    weights = counts(graph.parameters())
    causal = all(branch.body.is_causal() for branch in block.branches)
    # A model that is not decoded keeps nothing, whatever its mixers could keep.
    states = [branch.body.state() for branch in block.branches] if causal else []
    masks = [mask for body in mixers(block) if (mask := body.mask())]
    return LayerReport(
        index=0,
        block=block.name,
        mixer=_types(mixers(block)),
        window=next((mask.window for mask in masks if mask.window is not None), None),
        feedforward=_types(feedforwards(block)),
        parameters=weights.learned,
        active=weights.active,
        cache=LayerCache(
            setting.width * sum(state.per_token for state in states),
            setting.width * sum(state.per_source for state in states),
            _retained(states),
            sum(state.fixed_bytes(setting.width) for state in states),
            setting.batch * sum(state.bytes(context, setting.width, source) for state in states),
        ),
        flops=Flops(
            graph.flops(0, context, source),
            graph.flops(context, 1, source) if causal else None,
        ),
    )


def _retained(states: list[State]) -> int | None:
    """The tokens that a layer keeps at most; None where that grows with the text."""
    windows = [state.window for state in states if state.per_token]
    if not windows:
        return 0
    known = [window for window in windows if window is not None]
    return max(known) if len(known) == len(windows) else None
