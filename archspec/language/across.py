"""What must hold between the parts of a spec, and between the layers of what it describes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from archspec.architecture.model import Architecture
from archspec.errors import Diagnostic, Mark
from archspec.language.expand import Expanded
from archspec.language.source import Document, Items, Map
from archspec.language.wording import meant
from archspec.mechanisms.base import Mechanism
from archspec.spec.embedding import Embedding
from archspec.spec.model import ModelSpec


def across(spec: ModelSpec, expanded: Expanded, document: Document) -> list[Diagnostic]:
    """Invariants between parts of a spec that no single part can see."""
    return [
        *_embedding(spec, spec.embedding, spec.context_length, "", document.data),
        *_encoder(spec, expanded, document.data),
        *_per_layer(spec, expanded, document.data),
        *_mtp(spec, document.data),
        *_depths(spec, expanded),
    ]


def _embedding(
    spec: ModelSpec, own: Embedding, context: int, path: str, data: Map
) -> Iterator[Diagnostic]:
    positions = own.positions
    if positions and positions.type == "learned" and positions.length < context:
        message = (
            f"{positions.length:,} learned positions cannot serve a context of {context:,} tokens"
        )
        where = f"{path}context_length"
        # An encoder's may be left out, and is then the model's.
        hint = f"`context_length: {positions.length}`, or a longer table" if path else ""
        yield Diagnostic(message, where, _at(data, where), hint)
    if own.width == spec.hidden_size:
        message = "token vectors of `hidden_size` need no width of their own"
        where = f"{path}embedding.width"
        yield Diagnostic(message, where, _at(data, where), "leave it out")


def _encoder(spec: ModelSpec, expanded: Expanded, data: Map) -> Iterator[Diagnostic]:
    own = spec.encoder
    readers = [n for n in dict.fromkeys(expanded.layers) if spec.blocks[n].cross_attention]
    if own is None:
        for name in readers:
            path = f"blocks.{name}.cross_attention"
            hint = "`encoder: {layers: 6 x block}` describes one"
            yield Diagnostic("there is no encoder to attend to", path, _at(data, path), hint)
        return
    yield from _embedding(
        spec, own.embedding, own.context_length or spec.context_length, "encoder.", data
    )
    for name in ("token_types", "per_layer", "width"):
        if getattr(spec.embedding, name) is not None:
            path = f"embedding.{name}"
            message = f"`{name}` is for a model without an encoder"
            yield Diagnostic(message, path, _at(data, path), "leave it out")
    for name, message in _DECODERS_OWN.items():
        if getattr(own.embedding, name) is not None:
            path = f"encoder.embedding.{name}"
            yield Diagnostic(message, path, _at(data, path), "leave it out")
    if not readers:
        message = "no layer reads the encoder's states"
        hint = "a block of `layers` needs `cross_attention`"
        yield Diagnostic(message, "encoder", _at(data, "encoder"), hint)
    for name in dict.fromkeys(expanded.encoder_layers):
        block, path = spec.blocks[name], f"blocks.{name}"
        for part, message in _NOT_IN_ENCODERS.items():
            if getattr(block, part) is not None:
                where = f"{path}.{part}"
                yield Diagnostic(message, where, _at(data, where))
        if all(body.is_causal() for body in block.mixer):
            message = "a layer of the encoder sees the whole text, and this one looks back"
            where = f"{path}.mixer"
            yield Diagnostic(message, where, _at(data, where), "`causal: false`")
    for name in dict.fromkeys(expanded.layers):
        for body, path in _written(data, spec.blocks[name].mixer, f"blocks.{name}.mixer"):
            if not body.is_causal():
                message = "a layer beside an encoder looks back, and this one sees the whole text"
                yield Diagnostic(message, path, _at(data, path), "`causal: true`")
            if (mask := body.mask()) and mask.prefix:
                message = (
                    "a model with an encoder reads no prefix: what is seen both ways is the source"
                )
                path = f"{path}.prefix_lm"
                yield Diagnostic(message, path, _at(data, path), "leave it out")


_DECODERS_OWN = {
    "width": "an encoder shares the model's token vectors, and with them their width",
    "per_layer": "vectors for each layer are for the layers that write, not for the encoder's",
    "token_types": "segments are for a model without an encoder",
}
_NOT_IN_ENCODERS = {
    "cross_attention": "a layer of the encoder has no other encoder to attend to",
    "per_layer_input": "a layer of the encoder reads no vectors for each layer",
}


def _per_layer(spec: ModelSpec, expanded: Expanded, data: Map) -> Iterator[Diagnostic]:
    vectors = spec.embedding.per_layer
    rows = vectors.vocab_size if vectors else None
    if rows is not None and rows < spec.vocab_size:
        path = "embedding.per_layer.vocab_size"
        message = f"{rows:,} rows cannot serve a vocabulary of {spec.vocab_size:,} tokens"
        yield Diagnostic(message, path, _at(data, path))
    for name in dict.fromkeys(expanded.layers):
        reads, path = spec.blocks[name].per_layer_input, f"blocks.{name}"
        if reads and not vectors:
            path += ".per_layer_input"
            message = "there are no vectors for each layer"
            hint = "`embedding: {per_layer: {width: 256}}` makes them"
            yield Diagnostic(message, path, _at(data, path), hint)
        elif vectors and not reads:
            message = "the token has a vector for each layer, and this layer does not read its own"
            hint = f"`per_layer_input: {{width: {vectors.width}, activation: gelu}}` does"
            yield Diagnostic(message, path, _at(data, path), hint)
        elif vectors and reads and reads.width != vectors.width:
            message = f"the token's vector for a layer has width {vectors.width}, not {reads.width}"
            path += ".per_layer_input.width"
            yield Diagnostic(message, path, _at(data, path), f"`width: {vectors.width}`")


def _mtp(spec: ModelSpec, data: Map) -> Iterator[Diagnostic]:
    own = spec.mtp
    if own is None:
        return
    block = spec.blocks.get(own.block)
    path = "mtp.block"
    if block is None:
        hint = meant(own.block, spec.blocks) or f"the blocks are {', '.join(sorted(spec.blocks))}"
        yield Diagnostic(f"no block is called {own.block!r}", path, _at(data, path), hint)
        return
    where = _at(data, "mtp")
    if spec.head is None:
        yield Diagnostic("`mtp` needs a `head`", "mtp", where)
    if spec.embedding.width:
        message = "`mtp` needs token vectors of `hidden_size`"
        yield Diagnostic(message, "mtp", where, "leave out `embedding.width`")
    if spec.embedding.token_types:
        message = "`mtp` is for a model without segments"
        yield Diagnostic(message, "mtp", where, "leave out `embedding.token_types`")
    if spec.encoder:
        message = "`mtp` is for a model without an encoder"
        yield Diagnostic(message, "mtp", where)
        return
    bodies = (*block.mixer, *block.feedforward)
    alone = not block.cross_attention and not block.per_layer_input
    if not alone or any(body.takes() or not body.is_causal() for body in bodies):
        message = "a layer of `mtp` looks back and takes nothing from others"
        yield Diagnostic(message, path, _at(data, path))


def _depths(spec: ModelSpec, expanded: Expanded) -> Iterator[Diagnostic]:
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
                    yield Diagnostic(message, path, _at(expanded.data, path))


def references(architecture: Architecture, document: Document) -> list[Diagnostic]:
    """What a layer takes from an earlier one must have been given by then."""
    found: dict[str, Diagnostic] = {}
    encoder = architecture.encoder
    for layers, where in (
        (encoder.layers if encoder else (), "encoder."),
        (architecture.layers, ""),
    ):
        given: set[str] = set()
        for layer in layers:
            for branch in layer.block.branches:
                taken = branch.body.takes()
                if taken and taken not in given:
                    message = f"layer {layer.index} shares what no earlier layer has ({taken})"
                    path = f"blocks.{layer.block.name}"
                    hint = "an earlier layer of the same heads and view needs its own"
                    mark = _at(document.data, f"{where}layers")
                    found.setdefault(path, Diagnostic(message, path, mark, hint))
            given |= {name for b in layer.block.branches if (name := b.body.gives())}
    for stack, where in ((encoder, "encoder."), (architecture.stack, "")):
        shapes: dict[str, list[str]] = {}
        for parameter in stack.common if stack else ():
            rows = " x ".join(map(str, parameter.shape))
            shapes.setdefault(parameter.name.partition(".")[0], []).append(rows)
        for name, several in shapes.items():
            if len(several) == 1:
                continue
            message = f"layers of one stack share one table of `{name}`, and theirs differ: "
            message += f"{' and '.join(several)} numbers"
            path = f"{where}layers"
            mark = _at(document.data, path)
            hint = "`shared: false` gives each its own"
            found.setdefault(path, Diagnostic(message, path, mark, hint))
    return list(found.values())


def _written(
    data: Map, bodies: tuple[Mechanism, ...], path: str
) -> Iterator[tuple[Mechanism, str]]:
    """Each of `bodies` with its own path: `path` holds one alone, or a list."""
    here: Any = data
    for part in path.split("."):
        here = here.get(part) if isinstance(here, Map) else None
    for number, body in enumerate(bodies):
        yield body, f"{path}.{number}" if isinstance(here, Items) else path


def _at(data: Map, path: str) -> Mark | None:
    """Where `path` was written, or the nearest of what holds it."""
    here: Any = data
    mark = data.mark
    for part in path.split("."):
        if isinstance(here, Items) and part.isdecimal():
            here, mark = here[int(part)], here.items_at[int(part)]
        elif isinstance(here, Map) and part in here:
            mark = here.keys_at[part] if isinstance(here[part], Map) else here.values_at[part]
            here = here[part]
        else:
            break
    return mark
