"""A spec as written → every block written out: `defaults`, `extends` and `overrides` merged.

Works on located data, so that what is wrong later is still shown where it was written.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from archspec.errors import Diagnostic, Mark
from archspec.language import schedule
from archspec.language.inherit import inherit
from archspec.language.merging import MAX_KINDS, TooMuch, Writing, copy
from archspec.language.override import override
from archspec.language.source import Document, Items, Map, describe


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
    """Merge what blocks inherit and what single layers override; collects every problem.

    Raises `SpecError` for more than can be written out.
    """
    state = Writing()
    try:
        return _expand(document, state)
    except TooMuch:
        raise document.error(state.problems) from None


def _expand(document: Document, state: Writing) -> Expanded:
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
        raise TooMuch
    if isinstance(blocks, Map):
        whole = inherit(blocks, defaults, state)
        written = _layers(data, set(whole), state)
        if isinstance(inner := data.get("encoder"), Map):
            encoder = _layers(inner, set(whole), state, "encoder.")
        names = written.names() if written else []
        if overrides is not None and names:
            names = override(whole, names, overrides, state)
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


def _take_map(data: Map, key: str, state: Writing) -> Map | None:
    if key not in data:
        return None
    value, mark = data.pop(key), data.values_at[key]
    if isinstance(value, Map):
        return value
    state.problem(f"expected a mapping, got {describe(value)}", key, mark)
    return None


def _layers(data: Map, blocks: set[str], state: Writing, above: str = "") -> schedule.Run | None:
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
    text: str, mark: Mark, path: str, blocks: set[str], state: Writing
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
