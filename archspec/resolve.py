"""A located document → `Architecture`: everything merged, checked and decided."""

from __future__ import annotations

import math

from archspec.architecture import (
    Architecture,
    Block,
    Branch,
    Embedding,
    Head,
    Layer,
    NamedNorm,
    Update,
)
from archspec.errors import ArchspecError, Diagnostic
from archspec.expand import expand
from archspec.schedule import Run, shortest
from archspec.source import Document
from archspec.spec import block as written_block
from archspec.spec import head as written
from archspec.spec.model import ModelSpec
from archspec.spec.norm import Norm, complete_norms
from archspec.validate import validate


def resolve(document: Document) -> Architecture:
    """The architecture that a document describes; raises `SpecError` with all its problems."""
    expanded = expand(document)
    spec = validate(expanded)
    problems = list(expanded.problems)
    if not isinstance(spec, ModelSpec):
        raise document.error([*problems, *spec])
    problems += _across(spec, document)
    if problems:
        raise document.error(problems)
    architecture = _architecture(spec, expanded.layers, shortest(expanded.layers, expanded.written))
    problems = _references(architecture, document)
    if problems:
        raise document.error(problems)
    try:
        architecture.verify()
    except ArchspecError as error:
        raise document.error([Diagnostic(str(error))]) from None
    return architecture


def _across(spec: ModelSpec, document: Document) -> list[Diagnostic]:
    """Invariants between parts of a spec that no single part can see."""
    found: list[Diagnostic] = []
    positions = spec.embedding.positions
    if positions and positions.length < spec.context_length:
        message = (
            f"{positions.length:,} learned positions cannot serve a context of "
            f"{spec.context_length:,} tokens"
        )
        mark = document.data.values_at["context_length"]
        found.append(Diagnostic(message, "context_length", mark))
    if spec.embedding.width == spec.hidden_size:
        message = "token vectors of `hidden_size` need no width of their own"
        embedding = document.data["embedding"]
        hint = "leave it out"
        found.append(Diagnostic(message, "embedding.width", embedding.values_at["width"], hint))
    return found


def _references(architecture: Architecture, document: Document) -> list[Diagnostic]:
    """What a layer takes from an earlier one must have been given by then."""
    given: set[str] = set()
    found: dict[str, Diagnostic] = {}
    for layer in architecture.layers:
        for branch in layer.block.branches:
            taken = branch.body.takes()
            if taken and taken not in given:
                message = f"layer {layer.index} shares what no earlier layer has ({taken})"
                path = f"blocks.{layer.block.name}"
                hint = "an earlier layer of the same heads and view needs its own"
                mark = document.data.values_at.get("layers")
                found.setdefault(path, Diagnostic(message, path, mark, hint))
        given |= {name for branch in layer.block.branches if (name := branch.body.gives())}
    return list(found.values())


def _architecture(spec: ModelSpec, layers: tuple[str, ...], schedule: Run) -> Architecture:
    blocks = {name: _block(name, block, spec) for name, block in spec.blocks.items()}
    positions, norm = spec.embedding.positions, spec.embedding.norm
    return Architecture(
        name=spec.name,
        title=spec.title or spec.name,
        about=spec.about,
        vocab_size=spec.vocab_size,
        hidden_size=spec.hidden_size,
        context_length=spec.context_length,
        embedding=Embedding(
            scale=_scale(spec),
            width=spec.embedding.width,
            positions=positions.length if positions else None,
            offset=positions.offset if positions else 0,
            token_types=spec.embedding.token_types,
            norm=norm.over(spec.norm) if norm else None,
        ),
        layers=tuple(Layer(index, blocks[name]) for index, name in enumerate(layers)),
        schedule=schedule,
        final_norm=spec.final_norm.over(spec.norm) if spec.final_norm else None,
        head=_head(spec.head),
        checkpoint=spec.checkpoint,
        init_std=spec.init_std,
    )


def _scale(spec: ModelSpec) -> float | None:
    scale = spec.embedding.scale
    return math.sqrt(spec.hidden_size) if isinstance(scale, str) else scale


_NAMES: dict[str, dict[str, tuple[str, str]]] = {
    # The names of published checkpoints: (around the mixer, around the feed-forward).
    "pre": {"before": ("input_layernorm", "post_attention_layernorm")},
    "post": {"after": ("post_attention_layernorm", "post_feedforward_layernorm")},
    "output": {"inside": ("post_attention_layernorm", "post_feedforward_layernorm")},
    "sandwich": {
        "before": ("input_layernorm", "pre_feedforward_layernorm"),
        "inside": ("post_attention_layernorm", "post_feedforward_layernorm"),
    },
    "none": {},
}


def _head(head: written.Head | None) -> Head | None:
    return Head(head.tied, head.bias, head.scale, head.softcap) if head else None


def _block(name: str, block: written_block.Block, spec: ModelSpec) -> Block:
    norm = (block.norm or Norm()).over(spec.norm)
    names = _NAMES[block.norm_position]
    bodies = [(0, block.mixer), (1, block.feedforward)]
    present = [(which, body) for which, body in bodies if body is not None]

    def named(place: str, which: int) -> NamedNorm | None:
        return NamedNorm(names[place][which], norm) if place in names else None

    updates: list[Update] = []
    for which, body in present:
        # A branch alone has the name of the first, wherever it stands in other blocks.
        first = 0 if len(present) == 1 and block.norm_position == "pre" else which
        before = None if block.shared_norm else named("before", first)
        branch = Branch(
            complete_norms(body, spec.norm), before, named("inside", which), block.residual_scale
        )
        updates.append(Update((branch,), after=named("after", which)))
    if block.parallel:
        shared = named("before", 0) if block.shared_norm else None
        branches = tuple(branch for update in updates for branch in update.branches)
        updates = [Update(branches, before=shared)]
    return Block(name, tuple(updates))
