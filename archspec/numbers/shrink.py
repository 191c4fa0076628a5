"""A spec → the same structure at toy size, so that everything in it runs on a CPU.

Sizes are bounded by the name of their field, whatever mechanism it belongs to. What a mechanism
demands of its sizes is left to the mechanism: a bound that it rejects gives way to the next.
"""

from __future__ import annotations

from typing import Any, cast

from pydantic import ValidationError

from archspec.architecture.resolve import resolve
from archspec.language.emit import to_yaml
from archspec.language.expand import Expanded, expand
from archspec.language.schedule import Run, compress
from archspec.language.source import Document, Items, Map, parse
from archspec.language.validate import validate
from archspec.mechanisms.base import Mechanism
from archspec.spec.base import Strict
from archspec.spec.embedding import Embedding
from archspec.spec.encoder import Encoder
from archspec.spec.model import ModelSpec

HIDDEN_SIZE = 64
VOCABULARY = 256
CONTEXT = 256
HEADS = 4
ORIGINAL_CONTEXT = 16
REPEATS = 2

# The largest value of a field becomes the first number, the next smaller one the second, so
# that what differs between blocks still differs.
LADDERS: dict[str, tuple[int, ...]] = {
    "window": (8, 6, 4),
    "chunk": (8, 6, 4),
    "size": (16,),
    "local": (2, 1),
    "stride": (3, 2),
    "first": (1,),
    "intermediate_size": (96, 64, 48, 32),
    "experts": (8, 6, 4),
    "top_k": (2,),
    "count": (2,),
    "keep": (1,),
    "groups": (2,),
    "conv": (4,),
    "token_types": (2,),
}
DIMENSIONS = ((16, 12, 8), (16, 8), (12, 8), (20, 12), (24, 16), (32, 16), (64, 32))
OTHER = 32

Ranks = dict[str, list[int]]


def shrink(document: Document) -> str:
    """The YAML text of a small spec with every kind of block of `document`.

    Raises `SpecError` for a document that is not a valid spec.
    """
    resolve(document)
    expanded = expand(document)
    spec = validate(expanded)
    assert isinstance(spec, ModelSpec), "resolve accepts what validate rejects"
    ranks: Ranks = {}
    for block in spec.blocks.values():
        _gather(block, ranks)
    data = {key: _plain(value) for key, value in expanded.data.items() if key != "about"}
    data["name"] = f"{spec.name[:75]}-tiny"
    if spec.title:
        data["title"] = f"{spec.title[:190]} (tiny)"
    data["vocab_size"] = min(spec.vocab_size, VOCABULARY)
    data["hidden_size"] = min(spec.hidden_size, HIDDEN_SIZE)
    data["context_length"] = context = min(spec.context_length, CONTEXT)
    _embedding(data.get("embedding") or {}, spec.embedding, context)
    ends = [spec.mtp.block] if spec.mtp else []
    used = dict.fromkeys((*expanded.encoder_layers, *expanded.layers, *ends))
    data["blocks"] = {name: _block(data["blocks"][name], spec.blocks[name], ranks) for name in used}
    data["layers"] = str(_fewer(compress(expanded.layers)))
    if spec.encoder:
        _encoder(data["encoder"], spec.encoder, expanded)
    text = to_yaml(data)
    resolve(parse(text, f"{spec.name}-tiny"))
    return text


def _embedding(written: dict[str, Any], own: Embedding, context: int) -> None:
    if own.positions and own.positions.type == "learned":
        written["positions"]["length"] = context
    if own.token_types:
        written["token_types"] = min(own.token_types, 2)
    if own.per_layer:
        written["per_layer"]["width"] = min(own.per_layer.width, DIMENSIONS[0][0])
        if own.per_layer.vocab_size:
            written["per_layer"]["vocab_size"] = min(own.per_layer.vocab_size, VOCABULARY)


def _encoder(written: dict[str, Any], own: Encoder, expanded: Expanded) -> None:
    written["context_length"] = context = min(own.context_length or CONTEXT, CONTEXT)
    _embedding(written.get("embedding") or {}, own.embedding, context)
    if expanded.encoder_layers:
        written["layers"] = str(_fewer(compress(expanded.encoder_layers)))


def _plain(value: Any) -> Any:
    """The data as it was written, without its places."""
    if isinstance(value, Map):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, Items):
        return [_plain(item) for item in value]
    return value


def _gather(value: Any, ranks: Ranks) -> None:
    """The distinct sizes under each field name, largest first."""
    if not isinstance(value, Strict):
        return
    for name in type(value).model_fields:
        inner = getattr(value, name)
        if isinstance(inner, int) and not isinstance(inner, bool):
            known = ranks.setdefault(name, [])
            if inner not in known:
                known.append(inner)
                known.sort(reverse=True)
        for part in cast("tuple[Any, ...]", inner) if isinstance(inner, tuple) else (inner,):
            _gather(part, ranks)


def _block(written: dict[str, Any], block: Strict, ranks: Ranks) -> dict[str, Any]:
    out = dict(written)
    for name in type(block).model_fields:
        body = getattr(block, name)
        if isinstance(body, Mechanism):
            out[name] = _mechanism(written[name], body, ranks)
        elif isinstance(body, tuple) and isinstance(written.get(name), list):
            bodies = cast("tuple[Mechanism, ...]", body)
            pairs = zip(written[name], bodies, strict=True)
            out[name] = [_mechanism(part, one, ranks) for part, one in pairs]
        elif isinstance(body, tuple) and body:
            (one,) = cast("tuple[Mechanism, ...]", body)
            out[name] = _mechanism(written[name], one, ranks)
    return out


def _mechanism(written: dict[str, Any], body: Mechanism, ranks: Ranks) -> dict[str, Any]:
    """`written` with its sizes bounded, by the first ladder of widths that the mechanism takes."""
    for dimensions in DIMENSIONS:
        small = _bounded(written, body, ranks, dimensions)
        try:
            type(body).model_validate(small)
        except ValidationError:
            continue
        return small
    return written


def _bounded(
    written: dict[str, Any], model: Strict, ranks: Ranks, dimensions: tuple[int, ...]
) -> dict[str, Any]:
    heads = _heads(model)
    out: dict[str, Any] = {}
    for name, value in written.items():
        size: Any = getattr(model, name, None)
        if value is None and type(model).model_fields[name].default is None:
            continue
        if isinstance(size, Strict) and isinstance(value, dict):
            fields = cast("dict[str, Any]", value)
            out[name] = _bounded(fields, size, ranks, dimensions)
        elif name in heads:
            out[name] = heads[name]
        elif name == "original_context":
            # Short enough that the shrunken context still reaches beyond it.
            reach = int(CONTEXT / float(getattr(model, "factor", 1.0)))
            out[name] = max(1, min(int(value or 1), ORIGINAL_CONTEXT, reach))
        elif isinstance(size, int) and not isinstance(size, bool):
            ladder = dimensions if _is_width(name) else LADDERS.get(name, (OTHER,))
            rung = min(ranks[name].index(size), len(ladder) - 1) if name in ranks else 0
            out[name] = min(size, ladder[rung])
        else:
            out[name] = value
    return out


def _is_width(name: str) -> bool:
    return name.endswith(("dim", "rank", "width"))


def _heads(model: Strict) -> dict[str, int]:
    """Every count of heads, at most `HEADS`: equal stays equal, one stays one, fewer fewer."""
    counts = {
        name: value
        for name in type(model).model_fields
        if name.endswith("heads") and isinstance(value := getattr(model, name), int)
    }
    most = max(counts.values(), default=0)
    if most <= HEADS:
        return counts

    def small(count: int) -> int:
        if count == most:
            return HEADS
        return 1 if count == 1 else HEADS // 2

    return {name: small(count) for name, count in counts.items()}


def _fewer(run: Run) -> Run:
    """The same pattern with few repetitions, folded until nothing more repeats."""
    small = compress(_repeat_less(run).names())
    return small if len(small.names()) == len(run.names()) else _fewer(small)


def _repeat_less(run: Run) -> Run:
    items = tuple(item if isinstance(item, str) else _repeat_less(item) for item in run.items)
    return Run(min(run.times, REPEATS), items)
