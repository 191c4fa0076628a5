"""YAML text → data that remembers where each part of it stands.

The text comes from a stranger: size, depth, aliases and numbers are bounded before anything
is built, tags are refused, and duplicate keys are errors (YAML 1.2, section 3.2.1.3).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from archspec.errors import Diagnostic, Mark, SpecError
from archspec.language.events import Event, NotYaml, events

MAX_BYTES = 1 << 20
MAX_DEPTH = 32
MAX_NODES = 20_000
MAX_DIGITS = 40

_LEADING_ZERO = re.compile(r"[-+]?0[0-9_]+")
_LOOSE_UNDERSCORE = re.compile(r"__|_$|_\.|\._|^0[xob]_", re.IGNORECASE)


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
        before = raw[: error.start]
        mark = Mark(before.count(b"\n") + 1, error.start - before.rfind(b"\n"))
        message = f"not UTF-8 text: a byte 0x{raw[error.start]:02x}"
        raise SpecError([Diagnostic(message, mark=mark)], name) from None


def parse(text: str, name: str = "<spec>") -> Document:
    """Read YAML 1.2 safely; raises `SpecError` with line and column."""
    if len(text) > MAX_BYTES:
        raise SpecError([Diagnostic(f"larger than {MAX_BYTES:,} characters; no spec is")], name)
    reader = _Reader(text)
    try:
        data = reader.document()
    except (_Stop, NotYaml) as stop:
        raise SpecError([*reader.problems, stop.diagnostic], name, text) from None
    if reader.problems:
        raise SpecError(reader.problems, name, text)
    return Document(data, text, name)


class _Stop(Exception):
    def __init__(self, diagnostic: Diagnostic) -> None:
        super().__init__(diagnostic.message)
        self.diagnostic = diagnostic


class _Reader:
    """Builds located data from events, within the bounds above."""

    def __init__(self, text: str) -> None:
        self.events: Iterator[Event] = events(text)
        self.problems: list[Diagnostic] = []
        self.anchors: dict[str, tuple[Any, int]] = {}
        self.open_anchors: set[str] = set()
        self.nodes = 0

    def document(self) -> Map:
        first = next(self.events, None)
        if first is None:
            raise _Stop(Diagnostic("the file is empty", hint="start from `archspec new NAME`"))
        top = self.value(first, 1)
        if not isinstance(top, Map):
            message = f"expected the fields of a model at the top, got {describe(top)}"
            raise _Stop(
                Diagnostic(message, mark=first.mark, hint="a field reads like `name: mine`")
            )
        second = next(self.events, None)
        if second is not None:
            message = "a second document after `---`; a file holds one spec"
            raise _Stop(Diagnostic(message, mark=second.mark))
        return top

    def value(self, event: Event, depth: int) -> Any:
        self.count(1, event)
        if event.kind == "alias":
            return self.alias(event)
        if event.tagged:
            message = "YAML tags (`!…`) are not allowed; a spec is plain data"
            raise _Stop(Diagnostic(message, mark=event.mark))
        if depth > MAX_DEPTH:
            raise _Stop(Diagnostic(f"nested deeper than {MAX_DEPTH} levels", mark=event.mark))
        before = self.nodes
        if event.anchor:
            self.open_anchors.add(event.anchor)
        if event.kind == "scalar":
            value = self.scalar(event)
        elif event.kind == "sequence":
            value = self.sequence(event, depth)
        else:
            value = self.mapping(event, depth)
        if event.anchor:
            self.open_anchors.discard(event.anchor)
            self.anchors[event.anchor] = (value, self.nodes - before + 1)
        return value

    def count(self, nodes: int, event: Event) -> None:
        self.nodes += nodes
        if self.nodes > MAX_NODES:
            message = f"more than {MAX_NODES:,} values once aliases are written out; no spec has"
            raise _Stop(Diagnostic(message, mark=event.mark))

    def alias(self, event: Event) -> Any:
        anchor = event.anchor
        if anchor in self.open_anchors:
            raise _Stop(Diagnostic(f"the alias *{anchor} contains itself", mark=event.mark))
        if anchor not in self.anchors:
            raise _Stop(Diagnostic(f"no anchor &{anchor} before this alias", mark=event.mark))
        value, nodes = self.anchors[anchor]
        self.count(nodes, event)
        return value

    def sequence(self, start: Event, depth: int) -> Items:
        out = Items(start.mark)
        while (event := next(self.events)).kind != "end":
            out.append(self.value(event, depth + 1))
            out.items_at.append(event.mark)
        return out

    def mapping(self, start: Event, depth: int) -> Map:
        out = Map(start.mark)
        merged: list[Map] = []
        while (event := next(self.events)).kind != "end":
            key: Any = self.value(event, depth + 1)
            after = next(self.events)
            value = self.value(after, depth + 1)
            if event.text == "<<" and event.plain:
                merged += self.merge_sources(value, after.mark)
                continue
            if isinstance(key, (Map, Items)) or key is None:
                self.problems.append(Diagnostic("a key must be a word", mark=event.mark))
                continue
            name = event.text if event.kind == "scalar" else str(key)
            if name in out:
                message = f"duplicate key `{name}`; the first is on line {out.keys_at[name].line}"
                self.problems.append(Diagnostic(message, mark=event.mark))
                continue
            # The parser places an absent value where the next thing starts.
            absent = after.kind == "scalar" and after.plain and not after.text
            out.put(name, value, event.mark, event.mark if absent else after.mark)
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

    def scalar(self, event: Event) -> Any:
        plain = event.text.replace("_", "")
        match event.type:
            case "null":
                return None
            case "bool":
                return plain.lower() == "true"
            case "int" | "float":
                return self.number(plain, event)
            case "str":
                return event.text

    def number(self, text: str, event: Event) -> int | float | str | None:
        if len(text) > MAX_DIGITS:
            message = f"a number of {len(text):,} digits; at most {MAX_DIGITS} are read"
            self.problems.append(Diagnostic(message, mark=event.mark))
            return None
        if event.type == "int" and _LEADING_ZERO.fullmatch(event.text):
            message = f"{event.text} begins with 0, which to some readers of YAML means octal"
            hint = f"{int(text)}, or in octal 0o{text.lstrip('+-0') or '0'}"
            self.problems.append(Diagnostic(message, mark=event.mark, hint=hint))
            return None
        if _LOOSE_UNDERSCORE.search(event.text):
            message = f"expected an underscore only between two digits, got {event.text}"
            self.problems.append(Diagnostic(message, mark=event.mark))
            return None
        try:
            if event.type == "int":
                prefix = text.lstrip("+-")[:2].lower()
                return int(text, {"0x": 16, "0o": 8, "0b": 2}.get(prefix, 10))
            value = float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
        except ValueError:
            # `0x_` and the like, which YAML's pattern for numbers lets through.
            return event.text
        if not math.isfinite(value):
            message = f"expected a finite number, got {event.text}"
            self.problems.append(Diagnostic(message, mark=event.mark))
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
    return f"{value:,}" if isinstance(value, int) and abs(value) >= 10_000 else f"{value}"
