"""Blocks of single layers: the block that the schedule names, with what `overrides` changes."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from archspec.errors.printing import clipped
from archspec.language.merging import MAX_KINDS, Writing, merge
from archspec.language.source import Map
from archspec.spec.base import MAX_NAME

_RANGE = re.compile(r"^(-?\d{1,5})(?:-(\d{1,5}))?$")


def override(blocks: Map, names: list[str], overrides: Map, state: Writing) -> list[str]:
    """Give each overridden layer a block of its own, named after the block and the layer."""
    out = list(names)
    for key, change in overrides.items():
        path, mark = f"overrides.{key}", overrides.keys_at[key]
        indices = _indices(key, len(names))
        if not indices:
            message = f"expected the index of a layer, 0 to {len(names) - 1}, -1 for the last"
            hint = "a range reads like 0-2"
            state.problem(f"{message}, got {clipped(key, 40)!r}", path, mark, hint)
            continue
        if not isinstance(change, Map) or "extends" in change:
            message = "expected the fields of a block that change in this layer"
            hint = "they read like `{mixer: {window: 128}}`"
            state.problem(message, path, overrides.values_at[key], hint)
            continue
        suffix = f"{indices[0]}_{indices[-1]}" if len(indices) > 1 else f"{indices[0]}"
        made: dict[str, str] = {}
        for index in indices:
            base = out[index]
            if base not in made and isinstance(blocks[base], Map):
                if len(blocks) == MAX_KINDS:
                    message = f"with this there are more than {MAX_KINDS} kinds of layer"
                    hint = "layers that are alike can share a block, or a range like 0-2"
                    state.problem(message, path, mark, hint)
                    return out
                name = _free(f"{base}_{suffix}", f"_{suffix}", blocks)
                merged = merge(blocks[base], change)
                blocks.put(name, merged, mark, overrides.values_at[key])
                state.written(merged, path, mark)
                state.overridden[name] = key
                state.parents[name] = base
                made[base] = name
            out[index] = made.get(base, base)
    return out


def _free(name: str, end: str, taken: Collection[str]) -> str:
    """`name`, or one like it that is not `taken`; cut before its `end` if no block may have it."""
    start = name[: MAX_NAME - len(end)] if len(name) > MAX_NAME else name.removesuffix(end)
    number = 1
    while (free := f"{start}{end}") in taken:
        number += 1
        start = f"{start[: MAX_NAME - len(end) - 5].rstrip('_')}_{number}"
    return free


def _indices(key: str, layers: int) -> Sequence[int]:
    match = _RANGE.match(key)
    if not match:
        return []
    first = int(match[1])
    if match[2] is not None:
        last = int(match[2])
        return range(first, last + 1) if 0 <= first <= last < layers else []
    first = first + layers if first < 0 else first
    return [first] if 0 <= first < layers else []
