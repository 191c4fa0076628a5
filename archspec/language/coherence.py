"""A step: what must hold between the parts of a spec."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from archspec.language.expand import Expanded
from archspec.language.located import Items, Map, written_at
from archspec.language.problem import Guess, Problem
from archspec.mechanisms.base import Mechanism
from archspec.spec.embedding import Embedding
from archspec.spec.model import ModelSpec


def check_parts(spec: ModelSpec, expanded: Expanded) -> tuple[Problem, ...]:
    """What is wrong between parts of a spec, which no single part can see."""
    data = expanded.document.data
    return (
        *_embedding(spec, spec.embedding, spec.context_length, "", data),
        *_encoder(spec, expanded, data),
        *_per_layer(spec, expanded, data),
        *_mtp(spec, data),
        *_depths(spec, expanded),
    )


def _embedding(
    spec: ModelSpec, own: Embedding, context: int, path: str, data: Map
) -> Iterator[Problem]:
    positions = own.positions
    if positions and positions.type == "learned" and positions.length < context:
        message = (
            f"{positions.length:,} learned positions cannot serve a context of {context:,} tokens"
        )
        where = f"{path}context_length"
        # An encoder's may be left out, and is then the model's.
        hint = f"`context_length: {positions.length}`, or a longer table" if path else ""
        yield Problem(message, where, written_at(data, where), hint)
    if own.width == spec.hidden_size:
        message = "token vectors of `hidden_size` need no width of their own"
        where = f"{path}embedding.width"
        yield Problem(message, where, written_at(data, where), "leave it out")


def _encoder(spec: ModelSpec, expanded: Expanded, data: Map) -> Iterator[Problem]:
    own = spec.encoder
    readers = [n for n in dict.fromkeys(expanded.layers) if spec.blocks[n].cross_attention]
    if own is None:
        for name in readers:
            path = f"blocks.{name}.cross_attention"
            hint = "`encoder: {layers: 6 x block}` describes one"
            yield Problem("there is no encoder to attend to", path, written_at(data, path), hint)
        return
    yield from _embedding(
        spec, own.embedding, own.context_length or spec.context_length, "encoder.", data
    )
    for name in ("token_types", "per_layer", "width"):
        if getattr(spec.embedding, name) is not None:
            path = f"embedding.{name}"
            message = f"`{name}` is for a model without an encoder"
            yield Problem(message, path, written_at(data, path), "leave it out")
    for name, message in _DECODERS_OWN.items():
        if getattr(own.embedding, name) is not None:
            path = f"encoder.embedding.{name}"
            yield Problem(message, path, written_at(data, path), "leave it out")
    if not readers:
        message = "no layer reads the encoder's states"
        hint = "a block of `layers` needs `cross_attention`"
        yield Problem(message, "encoder", written_at(data, "encoder"), hint)
    for name in dict.fromkeys(expanded.encoder_layers):
        block, path = spec.blocks[name], f"blocks.{name}"
        for part, message in _NOT_IN_ENCODERS.items():
            if getattr(block, part) is not None:
                where = f"{path}.{part}"
                yield Problem(message, where, written_at(data, where))
        if all(body.is_causal() for body in block.mixer):
            message = "a layer of the encoder sees the whole text, and this one looks back"
            where = f"{path}.mixer"
            yield Problem(message, where, written_at(data, where), "`causal: false`")
    for name in dict.fromkeys(expanded.layers):
        for body, path in _written(data, spec.blocks[name].mixer, f"blocks.{name}.mixer"):
            if not body.is_causal():
                message = "a layer beside an encoder looks back, and this one sees the whole text"
                yield Problem(message, path, written_at(data, path), "`causal: true`")
            if (mask := body.mask()) and mask.prefix:
                message = (
                    "a model with an encoder reads no prefix: what is seen both ways is the source"
                )
                path = f"{path}.prefix_lm"
                yield Problem(message, path, written_at(data, path), "leave it out")


_DECODERS_OWN = {
    "width": "an encoder shares the model's token vectors, and with them their width",
    "per_layer": "vectors for each layer are for the layers that write, not for the encoder's",
    "token_types": "segments are for a model without an encoder",
}
_NOT_IN_ENCODERS = {
    "cross_attention": "a layer of the encoder has no other encoder to attend to",
    "per_layer_input": "a layer of the encoder reads no vectors for each layer",
}


def _per_layer(spec: ModelSpec, expanded: Expanded, data: Map) -> Iterator[Problem]:
    vectors = spec.embedding.per_layer
    rows = vectors.vocab_size if vectors else None
    if rows is not None and rows < spec.vocab_size:
        path = "embedding.per_layer.vocab_size"
        message = f"{rows:,} rows cannot serve a vocabulary of {spec.vocab_size:,} tokens"
        yield Problem(message, path, written_at(data, path))
    for name in dict.fromkeys(expanded.layers):
        reads, path = spec.blocks[name].per_layer_input, f"blocks.{name}"
        if reads and not vectors:
            path += ".per_layer_input"
            message = "there are no vectors for each layer"
            hint = "`embedding: {per_layer: {width: 256}}` makes them"
            yield Problem(message, path, written_at(data, path), hint)
        elif vectors and not reads:
            message = "the token has a vector for each layer, and this layer does not read its own"
            hint = f"`per_layer_input: {{width: {vectors.width}, activation: gelu}}` does"
            yield Problem(message, path, written_at(data, path), hint)
        elif vectors and reads and reads.width != vectors.width:
            message = f"the token's vector for a layer has width {vectors.width}, not {reads.width}"
            path += ".per_layer_input.width"
            yield Problem(message, path, written_at(data, path), f"`width: {vectors.width}`")


def _mtp(spec: ModelSpec, data: Map) -> Iterator[Problem]:
    own = spec.mtp
    if own is None:
        return
    block = spec.blocks.get(own.block)
    path = "mtp.block"
    if block is None:
        known = tuple(spec.blocks)
        hint = Guess(own.block, known, f"the blocks are {', '.join(sorted(known))}")
        yield Problem(f"no block is called {own.block!r}", path, written_at(data, path), hint)
        return
    where = written_at(data, "mtp")
    if spec.head is None:
        yield Problem("`mtp` needs a `head`", "mtp", where)
    if spec.embedding.width:
        message = "`mtp` needs token vectors of `hidden_size`"
        yield Problem(message, "mtp", where, "leave out `embedding.width`")
    if spec.embedding.token_types:
        message = "`mtp` is for a model without segments"
        yield Problem(message, "mtp", where, "leave out `embedding.token_types`")
    if spec.encoder:
        message = "`mtp` is for a model without an encoder"
        yield Problem(message, "mtp", where)
        return
    bodies = (*block.mixer, *block.feedforward)
    alone = not block.cross_attention and not block.per_layer_input
    if not alone or any(body.takes() or not body.is_causal() for body in bodies):
        message = "a layer of `mtp` looks back and takes nothing from others"
        yield Problem(message, path, written_at(data, path))


def _depths(spec: ModelSpec, expanded: Expanded) -> Iterator[Problem]:
    """What a mechanism says of the deepest layer that it stands in."""
    mtp = [spec.mtp.block] * spec.mtp.depth if spec.mtp else []
    deepest: dict[str, int] = {}
    for names in (expanded.encoder_layers, (*expanded.layers, *mtp)):
        for index, name in enumerate(names):
            deepest[name] = max(index, deepest.get(name, 0))
    for name in deepest.keys() & spec.blocks.keys():
        block = spec.blocks[name]
        for place, bodies in (("mixer", block.mixer), ("feedforward", block.feedforward)):
            for body, path in _written(expanded.data, bodies, f"blocks.{name}.{place}"):
                if problem := body.too_deep(deepest[name]):
                    field, message = problem
                    path = f"{path}.{field}"
                    yield Problem(message, path, written_at(expanded.data, path))


def _written(
    data: Map, bodies: tuple[Mechanism, ...], path: str
) -> Iterator[tuple[Mechanism, str]]:
    """Each of `bodies` with its own path: `path` holds one alone, or a list."""
    here: Any = data
    for part in path.split("."):
        here = here.get(part) if isinstance(here, Map) else None
    for number, body in enumerate(bodies):
        yield body, f"{path}.{number}" if isinstance(here, Items) else path
