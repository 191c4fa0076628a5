"""A stack of layers in the intermediate representation: what enters it, its layers, its end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

from archspec.architecture.block import Block
from archspec.architecture.graph import (
    INPUT,
    GraphBuilder,
    Operator,
    OperatorGraph,
    Parameter,
    linear,
)
from archspec.architecture.operators import norm_operator
from archspec.language.schedule import Run
from archspec.spec.embedding import Positions
from archspec.spec.norm import Norm


@dataclass(frozen=True)
class LayerVectors:
    """A vector of the token for every layer; see the language's `embedding.per_layer`."""

    width: int
    vocab_size: int
    scale: float | None
    projected: bool
    projection_scale: float
    norm: Norm | None
    sum_scale: float | None


@dataclass(frozen=True)
class Embedding:
    """Token vectors, scaled and widened, with positions and segments added, then normed."""

    scale: float | None = None
    width: int | None = None
    positions: Positions | None = None
    token_types: int | None = None
    norm: Norm | None = None
    per_layer: LayerVectors | None = None

    def graph(
        self, hidden_size: int, vocab_size: int, shared: bool = False, tied: bool = False
    ) -> OperatorGraph:
        """From a token to the first hidden state; its input is the token's one-hot vector.

        With `shared` the table is counted elsewhere; `tied` to the head all of it is in use.
        """
        width, shape = self.width or hidden_size, (hidden_size,)
        build = GraphBuilder(vocab_size)
        tokens = _table("embed_tokens", "Token embedding", vocab_size, width, whole=tied)
        if shared:
            tokens = Operator("embed_tokens", "embedding", tokens.label, (width,), detail="shared")
        x = build.add(tokens, INPUT)
        if self.scale is not None:
            x = build.add(Operator("scale", "scale", f"× {self.scale:.6g}", (width,)), x)
        if self.width:
            x = build.add(linear("embed_in", "Linear in", width, shape), x)
        for operator in self._added(hidden_size):
            vectors = build.add(operator, INPUT)
            x = build.add(Operator(f"add_{operator.name}", "add", "+", shape), x, vectors)
        if self.norm:
            x = build.add(norm_operator("embed_norm", self.norm, hidden_size), x)
        return build.done(x)

    def _added(self, hidden: int) -> Iterator[Operator]:
        """What the token vectors take on."""
        positions = self.positions
        if positions and positions.type == "learned":
            rows = positions.length + positions.offset
            yield _table("embed_positions", "Learned positions", rows, hidden)
        elif positions:
            yield Operator("sinusoids", "positions", "Sinusoidal positions", (hidden,))
        if self.token_types:
            yield _table("embed_token_types", "Token types", self.token_types, hidden)

    def layer_graph(self, hidden_size: int, layers: int) -> OperatorGraph | None:
        """From the first hidden state and the token to a vector for each layer, where there are."""
        own = self.per_layer
        if own is None:
            return None
        build, shape = GraphBuilder(hidden_size), (layers, own.width)
        name, numbers = "embed_tokens_per_layer", layers * own.width
        weight = Parameter(f"{name}.weight", (own.vocab_size, numbers), Fraction(1, own.vocab_size))
        label = "Vectors of the token"
        x = build.add(Operator(name, "embedding", label, shape, (weight,)), INPUT)
        if own.scale is not None:
            x = build.add(Operator("vector_scale", "scale", f"× {own.scale:.6g}", shape), x)
        if own.projected:
            y = build.add(linear("per_layer_projection", "Linear", hidden_size, shape), INPUT)
            if own.projection_scale != 1:
                label = f"× {own.projection_scale:.6g}"
                y = build.add(Operator("projection_scale", "scale", label, shape), y)
            if own.norm:
                y = build.add(norm_operator("per_layer_norm", own.norm, own.width, shape), y)
            x = build.add(Operator("add_vectors", "add", "+", shape), y, x)
        if own.sum_scale is not None:
            x = build.add(Operator("sum_scale", "scale", f"× {own.sum_scale:.6g}", shape), x)
        return build.done(x)


@dataclass(frozen=True)
class Layer:
    """One layer of a stack, at `index` from the input."""

    index: int
    block: Block


@dataclass(frozen=True)
class Stack:
    """Layers in order, and what stands before and behind them.

    `schedule` is the order of `layers` by block name, folded. An encoder whose states are given
    to the model has no layers.
    """

    context_length: int
    embedding: Embedding
    layers: tuple[Layer, ...]
    schedule: Run
    final_norm: Norm | None

    @cached_property
    def blocks(self) -> tuple[Block, ...]:
        """The distinct kinds of layer, in order of first appearance."""
        return tuple(dict.fromkeys(layer.block for layer in self.layers))

    @cached_property
    def common(self) -> tuple[Parameter, ...]:
        """What all layers share that need it, under its name in the stack."""
        bodies = (branch.body for block in self.blocks for branch in block.branches)
        return tuple(dict.fromkeys(p for body in bodies for p in body.common()))

    def layer_parameters(self, hidden_size: int) -> Iterator[Parameter]:
        """Every tensor of its layers and what they share, named from the stack."""
        graphs = {block: block.graph(hidden_size) for block in self.blocks}
        yield from self.common
        for layer in self.layers:
            yield from graphs[layer.block].parameters(f"layers.{layer.index}.")

    def norm_graph(self, hidden_size: int) -> OperatorGraph | None:
        """What stands after the last layer of an encoder."""
        if self.final_norm is None:
            return None
        build = GraphBuilder(hidden_size)
        return build.done(build.add(norm_operator("norm", self.final_norm, hidden_size), INPUT))


def _table(name: str, label: str, rows: int, columns: int, whole: bool = False) -> Operator:
    """A token reads one row of it."""
    share = Fraction(1) if whole else Fraction(1, rows)
    weight = Parameter(f"{name}.weight", (rows, columns), share)
    return Operator(name, "embedding", label, (columns,), (weight,))
