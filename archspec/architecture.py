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
    """A function of the residual stream: scale · inside(body(before(x)))."""

    body: Mechanism
    before: NamedNorm | None = None
    inside: NamedNorm | None = None
    scale: float | None = None

    @property
    def norms(self) -> tuple[NamedNorm, ...]:
        """Its norms, in order of computation."""
        return tuple(norm for norm in (self.before, self.inside) if norm)


@dataclass(frozen=True)
class Update:
    """One update of the residual stream: x ← after(x + Σ branch(before(x)))."""

    branches: tuple[Branch, ...]
    before: NamedNorm | None = None
    after: NamedNorm | None = None


@dataclass(frozen=True)
class Block:
    """A kind of layer: its updates of the residual stream, one after the other."""

    name: str
    updates: tuple[Update, ...]

    @property
    def branches(self) -> tuple[Branch, ...]:
        """The branches of all updates, in order."""
        return tuple(branch for update in self.updates for branch in update.branches)

    def graph(self, hidden_size: int) -> OperatorGraph:
        """The layer's operators; each mechanism is one operator with its graph inside."""
        build = GraphBuilder(hidden_size)
        x, shape = INPUT, (hidden_size,)
        for number, update in enumerate(self.updates, start=1):
            start = build.add(_norm(update.before, hidden_size), x) if update.before else x
            values: list[str] = []
            for branch in update.branches:
                value = start
                if branch.before:
                    value = build.add(_norm(branch.before, hidden_size), value)
                body = branch.body
                inside = body.graph(hidden_size)
                module = Operator(body.attribute, "module", body.title(), shape, inside=inside)
                value = build.add(module, value)
                if branch.inside:
                    value = build.add(_norm(branch.inside, hidden_size), value)
                if branch.scale is not None:
                    name, label = f"{body.attribute}_scale", f"× {branch.scale:.6g}"
                    value = build.add(Operator(name, "scale", label, shape), value)
                values.append(value)
            x = build.add(Operator(f"add_{number}", "add", "+", shape), *values, x)
            if update.after:
                x = build.add(_norm(update.after, hidden_size), x)
        return build.done(x)


@dataclass(frozen=True)
class Embedding:
    """Token vectors, scaled and widened, with positions and segments added, then normed."""

    scale: float | None = None
    width: int | None = None
    positions: int | None = None
    offset: int = 0
    token_types: int | None = None
    norm: Norm | None = None


@dataclass(frozen=True)
class Head:
    """A linear layer to the vocabulary; `tied` to the token embedding or with its own weight."""

    tied: bool
    bias: bool
    scale: float | None = None
    softcap: float | None = None


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

    @cached_property
    def taken(self) -> frozenset[str]:
        """The names of what layers take from earlier ones."""
        return frozenset(name for mechanism in self.mechanisms if (name := mechanism.takes()))

    @property
    def is_causal(self) -> bool:
        """Whether the model can be decoded token by token."""
        return all(mechanism.is_causal() for mechanism in self.mechanisms)

    @cached_property
    def embedding_graph(self) -> OperatorGraph:
        """From a token to the first hidden state; its input is the token's one-hot vector."""
        hidden, embedding = self.hidden_size, self.embedding
        width, shape = embedding.width or hidden, (hidden,)
        build = GraphBuilder(self.vocab_size)

        def table(name: str, label: str, rows: int, columns: int) -> Operator:
            weight = Parameter(f"{name}.weight", (rows, columns))
            return Operator(name, "embedding", label, (columns,), (weight,))

        x = build.add(table("embed_tokens", "Token embedding", self.vocab_size, width), INPUT)
        if embedding.scale is not None:
            x = build.add(Operator("scale", "scale", f"× {embedding.scale:.6g}", (width,)), x)
        if embedding.width:
            x = build.add(linear("embed_in", "Linear in", width, shape), x)
        rows = embedding.positions + embedding.offset if embedding.positions else None
        added = [
            ("embed_positions", "Learned positions", rows),
            ("embed_token_types", "Token types", embedding.token_types),
        ]
        for name, label, count in added:
            if count:
                vectors = build.add(table(name, label, count, hidden), INPUT)
                x = build.add(Operator(f"add_{name}", "add", "+", shape), x, vectors)
        if embedding.norm:
            x = build.add(norm_operator("embed_norm", embedding.norm, hidden), x)
        return build.done(x)

    @cached_property
    def head_graph(self) -> OperatorGraph:
        """From the last hidden state to the output."""
        build = GraphBuilder(self.hidden_size)
        x, width = INPUT, self.hidden_size
        if self.final_norm:
            x = build.add(norm_operator("norm", self.final_norm, width), x)
        if self.head and self.embedding.width:
            x = build.add(linear("embed_out", "Linear out", width, (self.embedding.width,)), x)
            width = self.embedding.width
        if self.head:
            x = self._logits(build, self.head, x, width)
        return build.done(x)

    def _logits(self, build: GraphBuilder, head: Head, x: str, width: int) -> str:
        shape = (self.vocab_size,)
        full = linear("lm_head", "Linear output", width, shape, head.bias)
        own = full.parameters
        if head.tied:
            own = (Parameter("lm_head_bias", shape),) if head.bias else ()
        detail = "tied to the token embedding" if head.tied else ""
        x = build.add(
            Operator("lm_head", "linear", full.label, shape, own, full.per_token, detail=detail), x
        )
        if head.scale is not None:
            x = build.add(Operator("logit_scale", "scale", f"× {head.scale:.6g}", shape), x)
        if head.softcap is not None:
            detail = f"{head.softcap:g}"
            x = build.add(Operator("softcap", "clamp", "Soft cap", shape, detail=detail), x)
        return x

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
