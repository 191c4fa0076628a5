"""The intermediate representation: every layer with everything decided, frozen and checked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from archspec.errors import ArchspecError
from archspec.graph import INPUT, GraphBuilder, Operator, OperatorGraph, Parameter, linear
from archspec.mechanisms.base import Mechanism
from archspec.operators import norm_operator
from archspec.schedule import Run
from archspec.spec.about import About
from archspec.spec.checkpoint import Checkpoint
from archspec.spec.norm import Norm

MAX_PARAMETERS = 10**14


@dataclass(frozen=True)
class NamedNorm:
    """A norm and the name of its module in a layer."""

    name: str
    norm: Norm


@dataclass(frozen=True)
class Branch:
    """One update of the residual stream: x ← after(x + inside(body(before(x))))."""

    body: Mechanism
    before: NamedNorm | None = None
    inside: NamedNorm | None = None
    after: NamedNorm | None = None

    @property
    def norms(self) -> tuple[NamedNorm, ...]:
        """Its norms, in order of computation."""
        return tuple(norm for norm in (self.before, self.inside, self.after) if norm)


@dataclass(frozen=True)
class Block:
    """A kind of layer: its branches, applied one after the other."""

    name: str
    branches: tuple[Branch, ...]

    def graph(self, hidden_size: int) -> OperatorGraph:
        """The layer's operators; each mechanism is one operator with its graph inside."""
        build = GraphBuilder(hidden_size)
        x, shape = INPUT, (hidden_size,)
        for number, branch in enumerate(self.branches, start=1):
            value = x
            if branch.before:
                value = build.add(_norm(branch.before, hidden_size), value)
            body = branch.body
            inside = body.graph(hidden_size)
            module = Operator(body.attribute, "module", body.title(), shape, inside=inside)
            value = build.add(module, value)
            if branch.inside:
                value = build.add(_norm(branch.inside, hidden_size), value)
            x = build.add(Operator(f"add_{number}", "add", "+", shape), value, x)
            if branch.after:
                x = build.add(_norm(branch.after, hidden_size), x)
        return build.done(x)


@dataclass(frozen=True)
class Embedding:
    """Token vectors, scaled, with positions and segments added, then normed."""

    scale: float | None = None
    positions: int | None = None
    token_types: int | None = None
    norm: Norm | None = None


@dataclass(frozen=True)
class Head:
    """A linear layer to the vocabulary; `tied` to the token embedding or with its own weight."""

    tied: bool
    bias: bool


@dataclass(frozen=True)
class Layer:
    """One layer of the stack, at `index` from the input."""

    index: int
    block: Block


@dataclass(frozen=True)
class Architecture:
    """A whole model, layer by layer; `schedule` is the order of `layers` by block name, folded."""

    name: str
    title: str
    about: About
    vocab_size: int
    hidden_size: int
    context_length: int
    embedding: Embedding
    layers: tuple[Layer, ...]
    schedule: Run
    final_norm: Norm | None
    head: Head | None
    checkpoint: Checkpoint
    init_std: float

    @cached_property
    def blocks(self) -> tuple[Block, ...]:
        """The distinct kinds of layer, in order of first appearance."""
        return tuple(dict.fromkeys(layer.block for layer in self.layers))

    @cached_property
    def mechanisms(self) -> tuple[Mechanism, ...]:
        """The distinct mechanisms, in order of first appearance."""
        bodies = (branch.body for block in self.blocks for branch in block.branches)
        return tuple(dict.fromkeys(bodies))

    @property
    def is_causal(self) -> bool:
        """Whether the model can be decoded token by token."""
        return all(mechanism.is_causal() for mechanism in self.mechanisms)

    @cached_property
    def embedding_graph(self) -> OperatorGraph:
        """From a token to the first hidden state; its input is the token's one-hot vector."""
        width, shape = self.hidden_size, (self.hidden_size,)
        build = GraphBuilder(self.vocab_size)

        def table(name: str, label: str, rows: int) -> Operator:
            weight = Parameter(f"{name}.weight", (rows, width))
            return Operator(name, "embedding", label, shape, (weight,))

        x = build.add(table("embed_tokens", "Token embedding", self.vocab_size), INPUT)
        embedding = self.embedding
        if embedding.scale is not None:
            x = build.add(Operator("scale", "scale", f"× {embedding.scale:.6g}", shape), x)
        added = [
            ("embed_positions", "Learned positions", embedding.positions),
            ("embed_token_types", "Token types", embedding.token_types),
        ]
        for name, label, rows in added:
            if rows:
                vectors = build.add(table(name, label, rows), INPUT)
                x = build.add(Operator(f"add_{name}", "add", "+", shape), x, vectors)
        if embedding.norm:
            x = build.add(norm_operator("embed_norm", embedding.norm, width), x)
        return build.done(x)

    @cached_property
    def head_graph(self) -> OperatorGraph:
        """From the last hidden state to the output."""
        build = GraphBuilder(self.hidden_size)
        x = INPUT
        if self.final_norm:
            x = build.add(norm_operator("norm", self.final_norm, self.hidden_size), x)
        if self.head:
            full = linear(
                "lm_head", "Linear output", self.hidden_size, (self.vocab_size,), self.head.bias
            )
            own = full.parameters if not self.head.tied else full.parameters[1:]
            detail = "tied to the token embedding" if self.head.tied else ""
            x = build.add(
                Operator(
                    "lm_head", "linear", full.label, full.shape, own, full.per_token, detail=detail
                ),
                x,
            )
        return build.done(x)

    def parameters(self) -> Iterator[Parameter]:
        """Every learned tensor under its name in the built model, in order."""
        yield from self.embedding_graph.parameters()
        graphs = {block: block.graph(self.hidden_size) for block in self.blocks}
        for layer in self.layers:
            yield from graphs[layer.block].parameters(f"layers.{layer.index}.")
        yield from self.head_graph.parameters()

    def verify(self) -> None:
        """Assert what every stage relies on; raises `ArchspecError` for a size beyond reason."""
        assert self.layers, "a model without layers"
        assert [layer.index for layer in self.layers] == list(range(len(self.layers)))
        assert self.schedule.names() == [layer.block.name for layer in self.layers]
        names: dict[str, Block] = {}
        for block in self.blocks:
            assert names.setdefault(block.name, block) == block, f"two blocks named {block.name}"
        total = sum(parameter.size for parameter in self.parameters())
        if total > MAX_PARAMETERS:
            raise ArchspecError(
                f"{total:.3g} parameters; archspec works up to {MAX_PARAMETERS:.0e}. "
                "Is a size or a count of layers mistyped?"
            )


def _norm(named: NamedNorm, width: int) -> Operator:
    return norm_operator(named.name, named.norm, width)
