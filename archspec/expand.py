"""A spec as written → every block written out: `defaults`, `extends` and `overrides` merged.

Works on located data, so that what is wrong later is still shown where it was written.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import Any

from archspec import schedule
from archspec.errors import Diagnostic, Mark
from archspec.source import Document, Items, Map, describe

_RANGE = re.compile(r"^(-?\d{1,5})(?:-(\d{1,5}))?$")


@dataclass(frozen=True)
class Expanded:
    """The written-out data, and the block of each layer."""

    data: Map
    layers: tuple[str, ...]
    problems: tuple[Diagnostic, ...]


def expand(document: Document) -> Expanded:
    """Merge what blocks inherit and what single layers override; collects every problem."""
    problems: list[Diagnostic] = []
    data = copy(document.data)
    defaults = _take_map(data, "defaults", problems)
    overrides = _take_map(data, "overrides", problems)
    blocks = data.get("blocks")
    names: list[str] = []
    if isinstance(blocks, Map):
        whole = _inherit(blocks, defaults, problems)
        names = _layers(data, set(whole), problems)
        if overrides is not None and names:
            names = _override(whole, names, overrides, problems)
        data["blocks"] = whole
    return Expanded(data, tuple(names), tuple(problems))


def copy(value: Map) -> Map:
    """A shallow copy that keeps the places."""
    out = Map(value.mark)
    for key in value:
        out.put(key, value[key], value.keys_at[key], value.values_at[key])
    return out


def merge(base: Map, over: Map) -> Map:
    """`base` with the fields of `over`; mappings merge unless their `type` differs."""
    out = copy(base)
    out.mark = over.mark
    for key, value in over.items():
        below = base.get(key)
        if isinstance(value, Map) and isinstance(below, Map) and _same_type(below, value):
            value = merge(below, value)
        out.put(key, value, over.keys_at[key], over.values_at[key])
    return out


def near(word: str, known: list[str]) -> str:
    """`did you mean …?` for a near miss among `known`, or nothing."""
    found = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    return f"did you mean {found[0]}?" if found else ""


def _same_type(a: Map, b: Map) -> bool:
    return "type" not in a or "type" not in b or a["type"] == b["type"]


def _take_map(data: Map, key: str, problems: list[Diagnostic]) -> Map | None:
    if key not in data:
        return None
    value, mark = data.pop(key), data.values_at[key]
    if isinstance(value, Map):
        return value
    problems.append(Diagnostic(f"expected a mapping, got {describe(value)}", key, mark))
    return None


def _inherit(blocks: Map, defaults: Map | None, problems: list[Diagnostic]) -> Map:
    whole = Map(blocks.mark)
    for name in blocks:
        chain = _ancestors(name, blocks, problems)
        block: Any = defaults
        for ancestor in reversed(chain):
            own = blocks[ancestor]
            if isinstance(own, Map):
                block = merge(block, own) if isinstance(block, Map) else copy(own)
                block.pop("extends", None)
            else:
                block = own
        whole.put(name, block, blocks.keys_at[name], blocks.values_at[name])
    return whole


def _ancestors(name: str, blocks: Map, problems: list[Diagnostic]) -> list[str]:
    """`name` and the blocks it extends, nearest first; a broken link ends the chain."""
    chain = [name]
    while isinstance(block := blocks[chain[-1]], Map) and "extends" in block:
        parent, mark = block["extends"], block.values_at["extends"]
        path = f"blocks.{chain[-1]}.extends"
        if not isinstance(parent, str):
            message = f"expected the name of a block, got {describe(parent)}"
            problems.append(Diagnostic(message, path, mark))
        elif parent not in blocks:
            hint = near(parent, [b for b in blocks if b != chain[-1]])
            problems.append(Diagnostic(f"no block is called {parent!r}", path, mark, hint))
        elif parent in chain:
            if parent == name:
                loop = " → ".join([*chain, parent])
                problems.append(
                    Diagnostic(f"blocks extend each other in a circle: {loop}", path, mark)
                )
        else:
            chain.append(parent)
            continue
        break
    return chain


def _layers(data: Map, blocks: set[str], problems: list[Diagnostic]) -> list[str]:
    value = data.get("layers")
    if isinstance(value, str):
        parts = [(value, data.values_at["layers"])]
    elif isinstance(value, Items) and value and all(isinstance(item, str) for item in value):
        parts = list(zip(value, value.items_at, strict=True))
    else:
        return []
    names: list[str] = []
    for index, (text, mark) in enumerate(parts):
        path = "layers" if isinstance(value, str) else f"layers.{index}"
        names += _schedule(text, mark, path, blocks, problems)
    if len(names) > schedule.MAX_LAYERS:
        message = f"{len(names):,} layers; at most {schedule.MAX_LAYERS:,} are read"
        problems.append(Diagnostic(message, "layers", data.values_at["layers"]))
        return []
    return names


def _schedule(
    text: str, mark: Mark, path: str, blocks: set[str], problems: list[Diagnostic]
) -> list[str]:
    quoted = 1 if mark.width == len(text) + 2 else 0

    def at(start: int, end: int) -> Mark:
        if "\n" in text or mark.width < len(text):
            return mark
        return Mark(mark.line, mark.column + quoted + start, max(1, end - start))

    try:
        run, found = schedule.parse(text)
    except schedule.ScheduleError as error:
        problems.append(Diagnostic(str(error), path, at(error.start, error.end), error.hint))
        return []
    unknown = [named for named in found if named.name not in blocks]
    for named in unknown:
        hint = near(named.name, sorted(blocks)) or f"the blocks are {', '.join(sorted(blocks))}"
        place = at(named.start, named.end)
        problems.append(Diagnostic(f"no block is called {named.name!r}", path, place, hint))
    return [] if unknown else run.names()


def _override(
    blocks: Map, names: list[str], overrides: Map, problems: list[Diagnostic]
) -> list[str]:
    """Give each overridden layer a block of its own, named after the block and the layer."""
    out = list(names)
    for key, change in overrides.items():
        path, mark = f"overrides.{key}", overrides.keys_at[key]
        indices = _indices(key, len(names))
        if not indices:
            message = f"expected the index of a layer, 0 to {len(names) - 1}, -1 for the last"
            hint = "a range reads like 0-2"
            problems.append(Diagnostic(f"{message}, got {key!r}", path, mark, hint))
            continue
        if not isinstance(change, Map) or "extends" in change:
            message = "expected the fields of a block that change in this layer"
            problems.append(Diagnostic(message, path, overrides.values_at[key]))
            continue
        for index in indices:
            base = out[index]
            if not isinstance(blocks[base], Map):
                continue
            suffix = f"{indices[0]}_{indices[-1]}" if len(indices) > 1 else f"{index}"
            name = f"{base}_{suffix}"
            if name not in blocks:
                merged = merge(blocks[base], change)
                blocks.put(name, merged, mark, overrides.values_at[key])
            out[index] = name
    return out


def _indices(key: str, layers: int) -> list[int]:
    match = _RANGE.match(key)
    if not match:
        return []
    first = int(match[1])
    if match[2] is not None:
        last = int(match[2])
        return list(range(first, last + 1)) if 0 <= first <= last < layers else []
    first = first + layers if first < 0 else first
    return [first] if 0 <= first < layers else []
