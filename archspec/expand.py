"""A spec as written → every block written out: `defaults`, `extends` and `overrides` merged.

Works on located data, so that what is wrong later is still shown where it was written.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from archspec import schedule
from archspec.errors import MAX_OF_A_KIND, Diagnostic, Mark
from archspec.printing import clipped, listed
from archspec.source import Document, Items, Map, describe
from archspec.wording import meant

MAX_KINDS = 256
"""Kinds of layer, those that `overrides` make among them: each is a class of the package."""

_RANGE = re.compile(r"^(-?\d{1,5})(?:-(\d{1,5}))?$")


@dataclass(frozen=True)
class Expanded:
    """The written-out data, the block of each layer, and their schedules as they were written.

    `broken` blocks lack what they should have inherited; `overridden` says which key of
    `overrides` made a block, `parents` from which block another inherits.
    """

    data: Map
    layers: tuple[str, ...]
    written: schedule.Run | None
    encoder_layers: tuple[str, ...]
    encoder_written: schedule.Run | None
    problems: tuple[Diagnostic, ...]
    broken: frozenset[str]
    overridden: Mapping[str, str]
    parents: Mapping[str, str]


def expand(document: Document) -> Expanded:
    """Merge what blocks inherit and what single layers override; collects every problem."""
    state = _State()
    data = copy(document.data)
    defaults = _take_map(data, "defaults", state)
    if defaults is not None and "extends" in defaults:
        message = "`defaults` stand below every block, so they extend none"
        state.problem(message, "defaults.extends", defaults.keys_at["extends"])
    overrides = _take_map(data, "overrides", state)
    blocks = data.get("blocks")
    names: list[str] = []
    written: schedule.Run | None = None
    encoder: schedule.Run | None = None
    if isinstance(blocks, Map) and len(blocks) > MAX_KINDS:
        message = f"{len(blocks):,} kinds of layer; at most {MAX_KINDS} are read"
        state.problem(message, "blocks", data.keys_at["blocks"])
        raise document.error(state.problems)
    if isinstance(blocks, Map):
        whole = _inherit(blocks, defaults, state)
        written = _layers(data, set(whole), state)
        if isinstance(inner := data.get("encoder"), Map):
            encoder = _layers(inner, set(whole), state, "encoder.")
        names = written.names() if written else []
        if overrides is not None and names:
            names = _override(whole, names, overrides, state)
        data["blocks"] = whole
    return Expanded(
        data,
        tuple(names),
        written,
        tuple(encoder.names()) if encoder else (),
        encoder,
        tuple(state.problems),
        frozenset(state.broken),
        state.overridden,
        state.parents,
    )


@dataclass
class _State:
    """What is found while a spec is written out."""

    problems: list[Diagnostic] = field(default_factory=list[Diagnostic])
    broken: set[str] = field(default_factory=set[str])
    overridden: dict[str, str] = field(default_factory=dict[str, str])
    parents: dict[str, str] = field(default_factory=dict[str, str])
    names: int = 0

    def problem(self, message: str, path: str, mark: Mark, hint: str = "") -> None:
        self.problems.append(Diagnostic(message, path, mark, hint))

    def unknown(self, name: str, known: Collection[str], path: str, mark: Mark) -> None:
        """A name that no block has; what was meant is looked for as long as anybody reads it."""
        self.names += 1
        hint = ""
        if self.names <= MAX_OF_A_KIND:
            hint = meant(name, known) or (f"the blocks are {listed(known)}" if known else "")
        self.problem(f"no block is called {clipped(name, 60)!r}", path, mark, hint)


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


def _same_type(a: Map, b: Map) -> bool:
    return "type" not in a or "type" not in b or a["type"] == b["type"]


def _take_map(data: Map, key: str, state: _State) -> Map | None:
    if key not in data:
        return None
    value, mark = data.pop(key), data.values_at[key]
    if isinstance(value, Map):
        return value
    state.problem(f"expected a mapping, got {describe(value)}", key, mark)
    return None


def _inherit(blocks: Map, defaults: Map | None, state: _State) -> Map:
    """Every block with what it inherits; each is merged once, however many extend it."""
    done: dict[str, Any] = {}
    for name in blocks:
        chain = _ancestors(name, blocks, done, state)
        below = done.get(_parent(blocks[next(reversed(chain))]), defaults) if chain else None
        for ancestor in reversed(chain or ()):
            own = blocks[ancestor]
            if isinstance(own, Map):
                below = merge(below, own) if isinstance(below, Map) else copy(own)
                below.pop("extends", None)
            else:
                below = own
            done[ancestor] = below
    whole = Map(blocks.mark)
    for name in blocks:
        if parent := _parent(blocks[name]):
            state.parents[name] = parent
        whole.put(name, done[name], blocks.keys_at[name], blocks.values_at[name])
    return whole


def _parent(block: Any) -> str:
    """The name of the block that `block` extends, or nothing."""
    parent = block.get("extends") if isinstance(block, Map) else None
    return parent if isinstance(parent, str) else ""


def _ancestors(
    name: str, blocks: Map, done: Collection[str], state: _State
) -> dict[str, None] | None:
    """`name` and the blocks it extends that are not yet `done`, nearest first.

    A broken link ends the chain, and all that leads to it is broken.
    """
    if name in done:
        return None
    chain = {name: None}
    last = name
    while isinstance(block := blocks[last], Map) and "extends" in block:
        parent, mark = block["extends"], block.values_at["extends"]
        path = f"blocks.{last}.extends"
        if isinstance(parent, str) and parent in done:
            if parent in state.broken:
                state.broken.update(chain)
            break
        if isinstance(parent, str) and parent in blocks and parent not in chain:
            chain[last := parent] = None
            continue
        state.broken.update(chain)
        if not isinstance(parent, str):
            message = f"expected the name of a block, got {describe(parent)}"
            state.problem(message, path, mark)
        elif parent not in blocks:
            state.unknown(parent, [known for known in blocks if known != last], path, mark)
        else:
            # One circle is one mistake, told at the first of its blocks in the file.
            circle = list(chain)[list(chain).index(parent) :]
            first = min(circle, key=list(blocks).index)
            at = circle.index(first)
            loop = [*circle[at:], *circle[:at], first]
            shown = " → ".join(loop if len(loop) <= 12 else [*loop[:6], "…", *loop[-5:]])
            message = f"blocks extend each other in a circle: {shown}"
            start: Map = blocks[first]
            state.problem(message, f"blocks.{first}.extends", start.values_at["extends"])
        break
    return chain


def _layers(data: Map, blocks: set[str], state: _State, above: str = "") -> schedule.Run | None:
    value = data.get("layers")
    if isinstance(value, str):
        parts = [(value, data.values_at["layers"])]
    elif isinstance(value, Items) and value and all(isinstance(item, str) for item in value):
        parts = list(zip(value, value.items_at, strict=True))
    else:
        return None
    items: list[str | schedule.Run] = []
    for index, (text, mark) in enumerate(parts):
        path = f"{above}layers" if isinstance(value, str) else f"{above}layers.{index}"
        run = _schedule(text, mark, path, blocks, state)
        items += run.items if run else []
    whole = schedule.Run(1, tuple(items))
    count = whole.length()
    if count > schedule.MAX_LAYERS:
        message = f"{count:,} layers; at most {schedule.MAX_LAYERS:,} are read"
        state.problem(message, f"{above}layers", data.values_at["layers"])
        return None
    return whole if items else None


def _schedule(
    text: str, mark: Mark, path: str, blocks: set[str], state: _State
) -> schedule.Run | None:
    quoted = 1 if mark.width == len(text) + 2 else 0

    def at(start: int, end: int) -> Mark:
        if "\n" in text or mark.width < len(text):
            return mark
        return Mark(mark.line, mark.column + quoted + start, max(1, end - start))

    try:
        run, found = schedule.parse(text)
    except schedule.ScheduleError as error:
        split = not path.endswith("layers") and text.count("(") != text.count(")")
        hint = "in a list, a part with commas stands in quotes" if split else error.hint
        state.problem(str(error), path, at(error.start, error.end), hint)
        return None
    unknown = [named for named in found if named.name not in blocks]
    for named in unknown:
        state.unknown(named.name, sorted(blocks), path, at(named.start, named.end))
    return None if unknown else run


def _override(blocks: Map, names: list[str], overrides: Map, state: _State) -> list[str]:
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
                name = f"{base}_{suffix}"
                while name in blocks:
                    name += "_"
                merged = merge(blocks[base], change)
                blocks.put(name, merged, mark, overrides.values_at[key])
                state.overridden[name] = key
                state.parents[name] = base
                made[base] = name
            out[index] = made.get(base, base)
    return out


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
