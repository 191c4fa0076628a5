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
)
from archspec.errors import ArchspecError, Diagnostic
from archspec.expand import expand
from archspec.mechanisms.base import Mechanism
from archspec.schedule import Run, shortest
from archspec.source import Document
from archspec.spec import block as written
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
    return found


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
            positions=positions.length if positions else None,
            token_types=spec.embedding.token_types,
            norm=norm.over(spec.norm) if norm else None,
        ),
        layers=tuple(Layer(index, blocks[name]) for index, name in enumerate(layers)),
        schedule=schedule,
        final_norm=spec.final_norm.over(spec.norm) if spec.final_norm else None,
        head=Head(spec.head.tied, spec.head.bias) if spec.head else None,
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


def _block(name: str, block: written.Block, spec: ModelSpec) -> Block:
    norm = block.norm.over(spec.norm) if block.norm else Norm().over(spec.norm)
    bodies = [(0, block.mixer), (1, block.feedforward)]
    branches = [
        _branch(body, which, block.norm_position, norm, spec.norm)
        for which, body in bodies
        if body is not None
    ]
    if len(branches) == 1 and block.norm_position == "pre":
        only = branches[0]
        branches = [Branch(only.body, NamedNorm("input_layernorm", norm))]
    return Block(name, tuple(branches))


def _branch(body: Mechanism, which: int, position: str, norm: Norm, model_norm: Norm) -> Branch:
    names = {place: NamedNorm(pair[which], norm) for place, pair in _NAMES[position].items()}
    return Branch(
        complete_norms(body, model_norm),
        names.get("before"),
        names.get("inside"),
        names.get("after"),
    )
