"""The intermediate representation: every layer with everything decided, frozen and checked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
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
from archspec.architecture.mtp import MtpModules
from archspec.architecture.operators import norm_operator
from archspec.architecture.stack import Embedding, Layer, Stack
from archspec.errors import ArchspecError
from archspec.language.schedule import Run
from archspec.mechanisms.base import Mechanism
from archspec.spec.about import About
from archspec.spec.checkpoint import Checkpoint
from archspec.spec.initialization import Initialization
from archspec.spec.norm import Norm

MAX_PARAMETERS = 10**14


@dataclass(frozen=True)
class Head:
    """A linear layer to the vocabulary; `tied` to the token embedding or with its own weight."""

    tied: bool
    bias: bool
    scale: float | None = None
    softcap: float | None = None


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
    initialization: Initialization
    encoder: Stack | None = None
    mtp: MtpModules | None = None

    @cached_property
    def all_layers(self) -> tuple[Layer, ...]:
        """The layers of every stack, an encoder's first."""
        return (*(self.encoder.layers if self.encoder else ()), *self.layers)

    @cached_property
    def blocks(self) -> tuple[Block, ...]:
        """The distinct kinds of layer, in order of first appearance."""
        ends = (self.mtp.block,) if self.mtp else ()
        return tuple(dict.fromkeys((*(layer.block for layer in self.all_layers), *ends)))

    @cached_property
    def mechanisms(self) -> tuple[Mechanism, ...]:
        """The distinct mechanisms, in order of first appearance."""
        bodies = (branch.body for block in self.blocks for branch in block.branches)
        return tuple(dict.fromkeys(bodies))

    @cached_property
    def taken(self) -> frozenset[str]:
        """The names of what layers take from earlier ones."""
        return frozenset(name for mechanism in self.mechanisms if (name := mechanism.takes()))

    @cached_property
    def is_sparse(self) -> bool:
        """Whether a token passes by some of the weights of its layers, as it does experts."""
        graphs = (block.graph(self.hidden_size) for block in self.blocks)
        return any(p.active < 1 for graph in graphs for p in graph.parameters())

    @property
    def is_causal(self) -> bool:
        """Whether the model can be decoded token by token."""
        return all(branch.body.is_causal() for b in self.stack.blocks for branch in b.branches)

    @cached_property
    def packs(self) -> bool:
        """Whether a row may hold several texts that see nothing of each other."""
        alone = self.is_causal and not self.encoder
        return alone and all(body.packs() for body in self.mechanisms)

    @cached_property
    def stack(self) -> Stack:
        """The layers that lead to the output: a decoder's, or those of an encoder alone."""
        return Stack(
            self.context_length, self.embedding, self.layers, self.schedule, self.final_norm
        )

    @cached_property
    def embedding_graph(self) -> OperatorGraph:
        """From a token to the first hidden state; its input is the token's one-hot vector."""
        tied = self.head is not None and self.head.tied
        return self.embedding.graph(self.hidden_size, self.vocab_size, tied=tied)

    @cached_property
    def layer_vectors_graph(self) -> OperatorGraph | None:
        """From the first hidden state and the token to a vector for each layer."""
        return self.embedding.layer_graph(self.hidden_size, len(self.layers))

    @cached_property
    def encoder_graphs(self) -> tuple[OperatorGraph, ...]:
        """What stands before and behind the encoder's layers."""
        if not self.encoder or not self.encoder.layers:
            return ()
        width = self.hidden_size
        before = self.encoder.embedding.graph(width, self.vocab_size, shared=True)
        behind = self.encoder.norm_graph(width)
        return (before, behind) if behind else (before,)

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
        """Every stored tensor under its name in the built model, in order."""
        yield from self.embedding_graph.parameters()
        if self.layer_vectors_graph:
            yield from self.layer_vectors_graph.parameters()
        if self.encoder:
            for graph in self.encoder_graphs:
                yield from graph.parameters("encoder.")
            for parameter in self.encoder.layer_parameters(self.hidden_size):
                yield replace(parameter, name=f"encoder.{parameter.name}")
        yield from self.stack.layer_parameters(self.hidden_size)
        yield from self.head_graph.parameters()
        if self.mtp:
            graph = self.mtp.graph(self.hidden_size)
            for index in range(self.mtp.depth):
                yield from graph.parameters(f"mtp.{index}.")

    def _repr_svg_(self) -> str:
        """Its figure, which a notebook shows in place of its fields."""
        import archspec

        return archspec.draw(self).decode("utf-8")

    def verify(self) -> None:
        """Assert what every stage relies on; raises `ArchspecError` for a size beyond reason."""
        assert self.layers, "a model without layers"
        for stack in (self.stack, *([self.encoder] if self.encoder else [])):
            assert [layer.index for layer in stack.layers] == list(range(len(stack.layers)))
            assert stack.schedule.names() == [layer.block.name for layer in stack.layers]
            assert len({p.name for p in stack.common}) == len(stack.common)
        names: dict[str, Block] = {}
        for block in self.blocks:
            assert names.setdefault(block.name, block) == block, f"two blocks named {block.name}"
        total = sum(parameter.size for parameter in self.parameters())
        if total > MAX_PARAMETERS:
            raise ArchspecError(
                f"{total:.3g} parameters; archspec works up to {MAX_PARAMETERS:.0e}. "
                "Is a size or a count of layers mistyped?"
            )
