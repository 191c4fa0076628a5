"""A draft → the text of a spec: the order of its sections, and what each block inherits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

from archspec.importers.family import Draft, Fields
from archspec.language import emit
from archspec.language.schedule import Run, compress
from archspec.language.source import MAX_BYTES


def page(draft: Draft, name: str, origin: str) -> str:
    """The spec as YAML; `origin` is its first comment."""
    sizes: Fields = {
        "vocab_size": draft.vocab_size,
        "hidden_size": draft.hidden_size,
        "context_length": draft.context_length,
        "norm": draft.norm,
    }
    if draft.embedding:
        sizes["embedding"] = draft.embedding
    ends: Fields = {"layers": _layers(compress(draft.layers))}
    if draft.encoder:
        ends = {"encoder": _stack(draft.encoder), **ends}
    if not draft.final_norm:
        ends["final_norm"] = False
    ends["head"] = draft.head
    if draft.init_std != 0.02:
        ends["init_std"] = draft.init_std
    sections: list[Fields] = [
        {"archspec": 1, "name": name},
        sizes,
        {"blocks": emit.Open(_blocks(draft.blocks))},
        ends,
    ]
    if draft.checkpoint:
        sections.append({"checkpoint": _checkpoint(draft.checkpoint)})
    written = ["\n".join(_bounded(section)) for section in sections]
    return "\n".join(emit.comment([origin, *draft.notes])) + "\n" + "\n\n".join(written) + "\n"


def _bounded(section: Fields) -> Iterator[str]:
    """Its lines, up to one more than any spec may have: beyond that no text is read."""
    left = MAX_BYTES
    for line in emit.lines(section):
        yield line
        left -= len(line)
        if left < 0:
            return


def _layers(order: Run) -> str | list[str]:
    """The schedule on a line of its own, else with a line for each of its parts."""
    text = str(order)
    one_line = len(text) + 2 <= emit.WIDTH or order.times > 1
    return text if one_line else [str(item) for item in order.items]


def _stack(own: Fields) -> Fields:
    """An encoder with its schedule folded."""
    return emit.Open({**own, "layers": _layers(compress(own["layers"]))})


def _blocks(blocks: dict[str, Fields]) -> Fields:
    """The first block whole, the others as what they change in the earlier one that is nearest."""
    first = next(iter(blocks))
    out: Fields = {first: emit.Open(blocks[first])}
    for name, block in list(blocks.items())[1:]:
        changed = {base: changes(blocks[base], block) for base in out}
        nearest = min(changed, key=lambda base: _size(changed[base]))
        # A block that has next to nothing in common with the others stands by itself.
        saved = _size(block) - _size(changed[nearest])
        out[name] = emit.Open({"extends": nearest, **changed[nearest]} if saved > 0 else block)
    return out


def _size(fields: Fields) -> int:
    """How many values are written."""
    inner = [cast("Fields", value) for value in fields.values() if isinstance(value, dict)]
    return len(fields) + sum(_size(fields) for fields in inner)


def changes(base: Fields, over: Fields) -> Fields:
    """What must be written over `base` to get `over`; a field left out has its default again."""
    out: Fields = {}
    for key in [*base, *(key for key in over if key not in base)]:
        before, after = base.get(key), over.get(key)
        if before == after:
            continue
        if isinstance(before, dict) and isinstance(after, dict):
            below, above = cast("Fields", before), cast("Fields", after)
            # Mappings of different types replace each other; of one type they merge.
            same = below.get("type") == above.get("type")
            out[key] = changes(below, above) if same else above
        else:
            out[key] = _USUAL.get(key) if after is None else after
    return out


_USUAL: Fields = {
    "causal": True,
    "fraction": 1,
    "output_bias": False,
    "pairing": "half",
    "qkv_bias": False,
}
"""What must be written where a field goes back to a default that is not null."""


def _checkpoint(checkpoint: Fields) -> Fields:
    if "tensors" not in checkpoint:
        return checkpoint
    return emit.Open({**checkpoint, "tensors": emit.Open(checkpoint["tensors"])})
