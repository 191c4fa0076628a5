"""Architecture → its numbers: parameters, cache, FLOPs, for the model and for each layer.

Everything is summed over the operator graphs and states of the mechanisms, so a number here is
the number of the built model. FLOPs are those of matrix products, a multiply-add being two.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from typing import Any

from archspec.architecture import Architecture, Block
from archspec.errors import ArchspecError
from archspec.graph import OperatorGraph, Parameter
from archspec.mechanisms import FeedForward, Mixer, members
from archspec.mechanisms.base import Mechanism, State

BYTES: dict[str, int] = {"fp32": 4, "fp16": 2, "bf16": 2, "fp8": 1, "int8": 1}
"""Bytes of one number, by type."""

MAX_CONTEXT = 1 << 31
MAX_BATCH = 1 << 20


@dataclass(frozen=True)
class Parameters:
    """How many numbers are learned; `active` of them touch one token."""

    total: int
    active: int
    embedding: int


@dataclass(frozen=True)
class Cache:
    """Bytes kept between tokens.

    `bytes_per_token` is for each token that is kept, `state_bytes` however long the text, both
    for one sequence; `bytes` is everything at the report's context and batch.
    """

    bytes_per_token: int
    state_bytes: int
    bytes: int


@dataclass(frozen=True)
class LayerCache:
    """A layer's share of the cache; `retained_tokens` is None where every token is kept."""

    bytes_per_token: int
    retained_tokens: int | None
    state_bytes: int
    bytes: int


@dataclass(frozen=True)
class Flops:
    """For one sequence: reading `context` tokens at once, and one more token after them.

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
    """The figures of a model at one context length, batch size and number type."""

    name: str
    context: int
    batch: int
    dtype: str
    parameters: Parameters
    cache: Cache
    flops: Flops
    layer_mix: dict[str, int]
    layers: tuple[LayerReport, ...]

    def to_dict(self) -> dict[str, Any]:
        """As plain data for JSON: the same names, tuples as lists."""
        return {**asdict(self), "layers": [asdict(layer) for layer in self.layers]}


def analyse(
    architecture: Architecture, context: int | None = None, batch: int = 1, dtype: str = "bf16"
) -> Report:
    """The numbers of `architecture` for `batch` sequences of `context` tokens in `dtype`.

    `context` is the model's own context length when left out. Raises `ArchspecError` for an
    unknown `dtype` or a size out of range.
    """
    context = architecture.context_length if context is None else context
    _within("context", context, MAX_CONTEXT)
    _within("batch", batch, MAX_BATCH)
    if dtype not in BYTES:
        raise ArchspecError(f"unknown dtype {dtype!r}; expected one of {', '.join(BYTES)}")
    setting = _Setting(architecture, context, batch, BYTES[dtype])
    once = {block: _layer(block, setting) for block in architecture.blocks}
    layers = tuple(replace(once[layer.block], index=layer.index) for layer in architecture.layers)
    ends = (architecture.embedding_graph, architecture.head_graph)
    causal = architecture.is_causal
    return Report(
        name=architecture.name,
        context=context,
        batch=batch,
        dtype=dtype,
        parameters=_parameters(architecture),
        cache=Cache(
            sum(layer.cache.bytes_per_token for layer in layers),
            sum(layer.cache.state_bytes for layer in layers),
            sum(layer.cache.bytes for layer in layers),
        ),
        flops=Flops(
            sum(graph.flops(0, context) for graph in ends)
            + sum(layer.flops.prefill for layer in layers),
            sum(graph.flops(context, 1) for graph in ends)
            + sum(layer.flops.decode or 0 for layer in layers)
            if causal
            else None,
        ),
        layer_mix=layer_mix(architecture),
        layers=layers,
    )


def layer_mix(architecture: Architecture) -> dict[str, int]:
    """How many layers there are of each kind, by what mixes tokens in them."""
    return dict(Counter(_kind(layer.block) for layer in architecture.layers))


def mixers(block: Block) -> list[Mechanism]:
    """The mechanisms of a block that mix information across tokens."""
    return _of(block, members(Mixer))


def feedforwards(block: Block) -> list[Mechanism]:
    """The mechanisms of a block that work on each token by itself."""
    return _of(block, members(FeedForward))


def active(parameters: Iterable[Parameter]) -> int:
    """How many numbers of `parameters` one token uses."""
    return int(sum((p.size * p.active for p in parameters), Fraction(0)))


def type_of(mechanism: Mechanism) -> str:
    """The `type` by which a spec asks for `mechanism`."""
    return str(mechanism.model_dump(include={"type"})["type"])


@dataclass(frozen=True)
class _Setting:
    architecture: Architecture
    context: int
    batch: int
    width: int


def _within(name: str, value: int, most: int) -> None:
    if not 1 <= value <= most:
        raise ArchspecError(f"{name} is a count from 1 to {most:,}, not {value:,}")


def _of(block: Block, kinds: tuple[type[Mechanism], ...]) -> list[Mechanism]:
    return [branch.body for branch in block.branches if isinstance(branch.body, kinds)]


def _kind(block: Block) -> str:
    """`SlidingAttention` → `sliding attention`; several mixers of one layer joined by `+`."""
    bodies = mixers(block) or feedforwards(block)
    return " + ".join(re.sub(r"(?<!^)(?=[A-Z])", " ", body.role()).lower() for body in bodies)


def _types(bodies: list[Mechanism]) -> str | None:
    return " + ".join(type_of(body) for body in bodies) or None


def _parameters(architecture: Architecture) -> Parameters:
    everything = list(architecture.parameters())
    tables = [
        parameter
        for operator in architecture.embedding_graph.operators
        if operator.kind == "embedding"
        for parameter in operator.parameters
    ]
    return Parameters(
        sum(parameter.size for parameter in everything),
        active(everything),
        sum(parameter.size for parameter in tables),
    )


def _layer(block: Block, setting: _Setting) -> LayerReport:
    architecture, context = setting.architecture, setting.context
    graph: OperatorGraph = block.graph(architecture.hidden_size)
    weights = list(graph.parameters())
    causal = architecture.is_causal
    # A model that is not decoded keeps nothing, whatever its mixers could keep.
    states = [branch.body.state() for branch in block.branches] if causal else []
    masks = [mask for body in mixers(block) if (mask := body.mask())]
    return LayerReport(
        index=0,
        block=block.name,
        mixer=_types(mixers(block)),
        window=next((mask.window for mask in masks if mask.window is not None), None),
        feedforward=_types(feedforwards(block)),
        parameters=sum(weight.size for weight in weights),
        active=active(weights),
        cache=LayerCache(
            setting.width * sum(state.per_token for state in states),
            _retained(states),
            sum(state.fixed_bytes(setting.width) for state in states),
            setting.batch * sum(state.bytes(context, setting.width) for state in states),
        ),
        flops=Flops(graph.flops(0, context), graph.flops(context, 1) if causal else None),
    )


def _retained(states: list[State]) -> int | None:
    """The tokens that a layer keeps at most; None where that grows with the text."""
    windows = [state.window for state in states if state.per_token]
    if not windows:
        return 0
    known = [window for window in windows if window is not None]
    return max(known) if len(known) == len(windows) else None
