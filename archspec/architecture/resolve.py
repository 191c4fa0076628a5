"""A located document → `Architecture`: everything merged, checked and decided."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from archspec.architecture.block import Block
from archspec.architecture.layering import lay
from archspec.architecture.model import Architecture, Head
from archspec.architecture.mtp import MtpModules
from archspec.architecture.stack import Embedding, Layer, LayerVectors, Stack
from archspec.errors import ArchspecError, Diagnostic
from archspec.language.across import across, references
from archspec.language.expand import Expanded, expand
from archspec.language.schedule import Run, shortest
from archspec.language.source import Document
from archspec.language.validate import validate
from archspec.spec import embedding as written
from archspec.spec.model import ModelSpec
from archspec.spec.norm import Norm


def resolve(document: Document) -> Architecture:
    """The architecture that a document describes; raises `SpecError` with all its problems."""
    expanded = expand(document)
    spec = validate(expanded)
    problems = list(expanded.problems)
    if not isinstance(spec, ModelSpec):
        raise document.error([*problems, *spec])
    problems += across(spec, expanded, document)
    if problems:
        raise document.error(problems)
    architecture = _architecture(spec, expanded)
    problems = references(architecture, document)
    if problems:
        raise document.error(problems)
    try:
        architecture.verify()
    except ArchspecError as error:
        raise document.error([Diagnostic(str(error))]) from None
    return architecture


def _architecture(spec: ModelSpec, expanded: Expanded) -> Architecture:
    blocks = {
        name: lay(name, block, spec.norm, spec.hidden_size) for name, block in spec.blocks.items()
    }
    return Architecture(
        name=spec.name,
        title=spec.title or spec.name,
        about=spec.about,
        vocab_size=spec.vocab_size,
        hidden_size=spec.hidden_size,
        context_length=spec.context_length,
        embedding=_embedding(spec.embedding, spec),
        layers=_layers(expanded.layers, blocks),
        schedule=shortest(expanded.layers, expanded.written),
        final_norm=_over(spec.final_norm, spec.norm),
        head=Head(**spec.head.model_dump(exclude={"type"})) if spec.head else None,
        checkpoint=spec.checkpoint,
        init_std=spec.init_std,
        encoder=_encoder(spec, expanded, blocks),
        mtp=_mtp(spec, blocks),
    )


def _layers(names: Sequence[str], blocks: Mapping[str, Block]) -> tuple[Layer, ...]:
    return tuple(Layer(index, blocks[name]) for index, name in enumerate(names))


def _encoder(spec: ModelSpec, expanded: Expanded, blocks: Mapping[str, Block]) -> Stack | None:
    own, names = spec.encoder, expanded.encoder_layers
    if own is None:
        return None
    return Stack(
        own.context_length or spec.context_length,
        _embedding(own.embedding, spec),
        _layers(names, blocks),
        shortest(names, expanded.encoder_written) if names else Run(1, ()),
        _over(own.final_norm, spec.norm) if names else None,
    )


def _mtp(spec: ModelSpec, blocks: Mapping[str, Block]) -> MtpModules | None:
    own = spec.mtp
    if own is None:
        return None
    norm = (spec.final_norm or Norm()).over(spec.norm)
    return MtpModules(own.depth, blocks[own.block], own.loss_weight, norm)


def _embedding(own: written.Embedding, spec: ModelSpec) -> Embedding:
    scale = own.scale
    return Embedding(
        scale=math.sqrt(spec.hidden_size) if isinstance(scale, str) else scale,
        width=own.width,
        positions=own.positions,
        token_types=own.token_types,
        norm=_over(own.norm, spec.norm),
        per_layer=_vectors(own.per_layer, spec) if own.per_layer else None,
    )


def _vectors(own: written.LayerVectors, spec: ModelSpec) -> LayerVectors:
    projection = own.projection
    return LayerVectors(
        width=own.width,
        vocab_size=own.vocab_size or spec.vocab_size,
        scale=math.sqrt(own.width) if isinstance(own.scale, str) else own.scale,
        projected=projection is not None,
        projection_scale=projection.scale if projection else 1.0,
        norm=_over(projection.norm, spec.norm) if projection else None,
        sum_scale=own.sum_scale,
    )


def _over(norm: Norm | None, default: Norm) -> Norm | None:
    return norm.over(default) if norm else None
