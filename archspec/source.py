"""YAML text → data that remembers where each part of it stands.

The text comes from a stranger: size, depth, aliases and numbers are bounded before anything
is built, tags are refused, and duplicate keys are errors (YAML 1.2, section 3.2.1.3).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)
from ruamel.yaml.nodes import ScalarNode

from archspec.errors import Diagnostic, Mark, SpecError

MAX_BYTES = 1 << 20
MAX_DEPTH = 32
MAX_NODES = 50_000
MAX_DIGITS = 40


class Map(dict[str, Any]):
    """A mapping that knows the place of each of its keys and values."""

    def __init__(self, mark: Mark) -> None:
        """Start empty, at `mark`."""
        super().__init__()
        self.mark = mark
        self.keys_at: dict[str, Mark] = {}
        self.values_at: dict[str, Mark] = {}

    def put(self, key: str, value: Any, key_at: Mark, value_at: Mark) -> None:
        """Set `key`, remembering both places."""
        self[key] = value
        self.keys_at[key] = key_at
        self.values_at[key] = value_at


class Items(list[Any]):
    """A sequence that knows the place of each of its items."""

    def __init__(self, mark: Mark) -> None:
        """Start empty, at `mark`."""
        super().__init__()
        self.mark = mark
        self.items_at: list[Mark] = []


@dataclass(frozen=True)
class Document:
    """The data of one file, its text and its name."""

    data: Map
    text: str
    name: str

    def error(self, diagnostics: list[Diagnostic]) -> SpecError:
        """A `SpecError` that quotes this document."""
        return SpecError(diagnostics, self.name, self.text)


def decode(raw: bytes, name: str) -> str:
    """The text of a file; raises `SpecError` unless it is UTF-8 of at most 1 MiB."""
    if len(raw) > MAX_BYTES:
        raise SpecError([Diagnostic(f"larger than {MAX_BYTES:,} bytes; no spec is")], name)
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        message = f"not UTF-8 text: byte {error.start} is 0x{raw[error.start]:02x}"
        raise SpecError([Diagnostic(message)], name) from None


def parse(text: str, name: str = "<spec>") -> Document:
    """Read YAML 1.2 safely; raises `SpecError` with line and column."""
    if len(text) > MAX_BYTES:
        raise SpecError([Diagnostic(f"larger than {MAX_BYTES:,} characters; no spec is")], name)
    reader = _Reader(text)
    try:
        data = reader.document()
    except _Stop as stop:
        raise SpecError([*reader.problems, stop.diagnostic], name, text) from None
    except YAMLError as error:
        diagnostic = _yaml_diagnostic(error)
        raise SpecError([*reader.problems, diagnostic], name, text) from None
    if reader.problems:
        raise SpecError(reader.problems, name, text)
    return Document(data, text, name)


class _Stop(Exception):
    def __init__(self, diagnostic: Diagnostic) -> None:
        self.diagnostic = diagnostic


class _Reader:
    """Builds located data from ruamel's events, within the bounds above."""

    def __init__(self, text: str) -> None:
        self.yaml = YAML(typ="safe", pure=True)
        self.events: Iterator[Event] = self.yaml.parse(text)
        self.resolver = self.yaml.resolver
        self.problems: list[Diagnostic] = []
        self.anchors: dict[str, tuple[Any, int]] = {}
        self.open_anchors: set[str] = set()
        self.nodes = 0

    def document(self) -> Map:
        top: Any = None
        found = False
        for event in self.events:
            if not isinstance(event, (NodeEvent, MappingStartEvent, SequenceStartEvent)):
                continue
            if found:
                raise _Stop(Diagnostic("a second document; a spec is one", mark=_mark(event)))
            top, found = self.value(event, 1), True
            if not isinstance(top, Map):
                what = "empty" if top is None else describe(top)
                message = f"expected a mapping of fields at the top, got {what}"
                raise _Stop(Diagnostic(message, mark=_mark(event)))
        if not found:
            raise _Stop(Diagnostic("the file is empty", hint="start from `archspec new NAME`"))
        assert isinstance(top, Map)
        return top

    def value(self, event: Event, depth: int) -> Any:
        self.count(1, event)
        if isinstance(event, AliasEvent):
            return self.alias(event)
        tag = getattr(event, "tag", None)
        if tag is not None and str(tag) not in ("", "!"):
            raise _Stop(Diagnostic("YAML tags are not allowed", mark=_mark(event)))
        anchor: str | None = getattr(event, "anchor", None)
        if depth > MAX_DEPTH:
            raise _Stop(Diagnostic(f"nested deeper than {MAX_DEPTH} levels", mark=_mark(event)))
        before = self.nodes
        if anchor:
            self.open_anchors.add(anchor)
        if isinstance(event, ScalarEvent):
            value = self.scalar(event)
        elif isinstance(event, SequenceStartEvent):
            value = self.sequence(event, depth)
        else:
            assert isinstance(event, MappingStartEvent)
            value = self.mapping(event, depth)
        if anchor:
            self.open_anchors.discard(anchor)
            self.anchors[anchor] = (value, self.nodes - before + 1)
        return value

    def count(self, nodes: int, event: Event) -> None:
        self.nodes += nodes
        if self.nodes > MAX_NODES:
            message = f"more than {MAX_NODES:,} values once aliases are written out"
            raise _Stop(Diagnostic(message, mark=_mark(event)))

    def alias(self, event: AliasEvent) -> Any:
        anchor = str(event.anchor)
        if anchor in self.open_anchors:
            raise _Stop(Diagnostic(f"the alias *{anchor} contains itself", mark=_mark(event)))
        if anchor not in self.anchors:
            raise _Stop(Diagnostic(f"no anchor &{anchor} before this alias", mark=_mark(event)))
        value, nodes = self.anchors[anchor]
        self.count(nodes, event)
        return value

    def sequence(self, start: Event, depth: int) -> Items:
        out = Items(_mark(start))
        while not isinstance(event := next(self.events), SequenceEndEvent):
            out.append(self.value(event, depth + 1))
            out.items_at.append(_mark(event))
        return out

    def mapping(self, start: Event, depth: int) -> Map:
        out = Map(_mark(start))
        merged: list[Map] = []
        while not isinstance(event := next(self.events), MappingEndEvent):
            key_at = _mark(event)
            key = self.value(event, depth + 1)
            after = next(self.events)
            value = self.value(after, depth + 1)
            if key == "<<" and isinstance(event, ScalarEvent) and event.style is None:
                merged += self.merge_sources(value, _mark(after))
                continue
            if isinstance(key, (Map, Items)) or key is None:
                self.problems.append(Diagnostic("a key must be a word", mark=key_at))
                continue
            name = event.value if isinstance(event, ScalarEvent) else str(key)
            if name in out:
                message = f"duplicate key {name!r}; the first is on line {out.keys_at[name].line}"
                self.problems.append(Diagnostic(message, mark=key_at))
                continue
            out.put(name, value, key_at, _mark(after))
        for source in merged:
            for name in source:
                if name not in out:
                    out.put(name, source[name], source.keys_at[name], source.values_at[name])
        return out

    def merge_sources(self, value: Any, mark: Mark) -> list[Map]:
        sources: list[Any] = list(value) if isinstance(value, Items) else [value]
        if all(isinstance(source, Map) for source in sources):
            return sources
        self.problems.append(Diagnostic("`<<` takes a mapping or a list of them", mark=mark))
        return []

    def scalar(self, event: ScalarEvent) -> Any:
        text = event.value
        if event.style is not None:
            return text
        tag = str(self.resolver.resolve(ScalarNode, text, event.implicit))
        kind = tag.rpartition(":")[2]
        plain = text.replace("_", "")
        if kind == "null":
            return None
        if kind == "bool":
            return plain.lower() == "true"
        if kind == "int":
            return self.integer(plain, event)
        if kind == "float":
            return self.real(plain, event)
        return text

    def integer(self, text: str, event: ScalarEvent) -> int | None:
        if len(text) > MAX_DIGITS:
            message = f"a number of {len(text)} digits; at most {MAX_DIGITS} are read"
            self.problems.append(Diagnostic(message, mark=_mark(event)))
            return None
        prefix = text.lstrip("+-")[:2].lower()
        return int(text, {"0x": 16, "0o": 8, "0b": 2}.get(prefix, 10))

    def real(self, text: str, event: ScalarEvent) -> float | None:
        low = text.lower().replace(".inf", "inf").replace(".nan", "nan")
        value = float(low) if len(low) <= MAX_DIGITS else math.nan
        if not math.isfinite(value):
            self.problems.append(Diagnostic("expected a finite number", mark=_mark(event)))
            return None
        return value


def describe(value: Any) -> str:
    """A value in the words of an error message: `the text 'abc'`, `a list`, `nothing`."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        shown = value if len(value) <= 40 else value[:37] + "..."
        return f"the text {shown!r}"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    return f"{value}"


def _mark(event: Event) -> Mark:
    marks: Any = event
    start, end = marks.start_mark, marks.end_mark
    same_line = end is not None and end.line == start.line
    width = end.column - start.column if same_line else 1
    return Mark(start.line + 1, start.column + 1, max(1, width))


def _yaml_diagnostic(error: YAMLError) -> Diagnostic:
    place: Any = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    problem = str(getattr(error, "problem", None) or "not YAML").strip()
    context = str(getattr(error, "context", None) or "").strip()
    mark = Mark(place.line + 1, place.column + 1) if place is not None else None
    if "special characters are not allowed" in str(error):
        problem, context = "a control character, which YAML does not allow", ""
    message = f"not YAML: {problem}" + (f" {context}" if context else "")
    return Diagnostic(message, mark=mark)
