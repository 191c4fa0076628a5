"""YAML text → a stream of typed events; all that is known of ruamel's parser stays here.

Nothing is constructed: aliases, tags and numbers come out as they were written.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)
from ruamel.yaml.nodes import ScalarNode

from archspec.errors import Diagnostic, Mark
from archspec.language.scanner import BadDirective, Scanner

Kind = Literal["scalar", "alias", "mapping", "sequence", "end"]
ScalarType = Literal["null", "bool", "int", "float", "str"]


@dataclass(frozen=True)
class Event:
    """One step of the text: a scalar, an alias, or the start or end of a collection.

    `plain` scalars stand without quotes; only those can be of another `type` than text.
    """

    kind: Kind
    mark: Mark
    text: str = ""
    type: ScalarType = "str"
    plain: bool = False
    anchor: str = ""
    tagged: bool = False


class NotYaml(Exception):
    """The text breaks YAML's own rules, as `diagnostic` says."""

    def __init__(self, diagnostic: Diagnostic) -> None:
        """Keep what is wrong and where."""
        super().__init__(diagnostic.message)
        self.diagnostic = diagnostic


_KINDS: dict[type[Any], Kind] = {
    AliasEvent: "alias",
    MappingEndEvent: "end",
    MappingStartEvent: "mapping",
    ScalarEvent: "scalar",
    SequenceEndEvent: "end",
    SequenceStartEvent: "sequence",
}
_TYPES: dict[str, ScalarType] = {"null": "null", "bool": "bool", "int": "int", "float": "float"}


_NO_BREAK = re.compile("[\x85\u2028\u2029]")
"""Ends of a line in YAML 1.1, text like any other in 1.2."""


def events(text: str) -> Iterator[Event]:
    """The events of `text` under YAML 1.2; raises `NotYaml` where it stops being YAML."""
    if found := _NO_BREAK.search(text):
        code = f"U+{ord(found[0]):04X}"
        message = f"not YAML: {code}, which some readers take for the end of a line"
        hint = "in double quotes it can be written as an escape"
        raise NotYaml(Diagnostic(message, mark=_mark_at(found.start(), text), hint=hint))
    yaml: Any = YAML(typ="safe", pure=True)
    yaml.Scanner = Scanner
    try:
        for event in yaml.parse(text):
            kind = _KINDS.get(event.__class__)
            if kind:
                yield _event(kind, event, yaml)
    except BadDirective as bad:
        mark = Mark(bad.line, 1, len(bad.written))
        raise NotYaml(Diagnostic(f"not YAML 1.2: {bad}", mark=mark, hint=bad.hint)) from None
    except YAMLError as error:
        raise NotYaml(_diagnostic(error, text)) from None


def plain_type(text: str) -> ScalarType:
    """What YAML takes one word, or several with single spaces, for where no quotes stand."""
    tag = str(_resolver().resolve(ScalarNode, text, (True, False)))
    return _TYPES.get(tag.rpartition(":")[2], "str")


@cache
def _resolver() -> Any:
    return YAML(typ="safe", pure=True).resolver


def _event(kind: Kind, event: Any, yaml: Any) -> Event:
    mark = _mark(event)
    if kind == "end":
        return Event(kind, mark)
    anchor = str(event.anchor or "")
    tagged = getattr(event, "tag", None) is not None
    if kind != "scalar":
        return Event(kind, mark, anchor=anchor, tagged=tagged)
    text, plain = str(event.value), event.style is None
    kind_of_value: ScalarType = "str"
    if plain and not tagged:
        tag = str(yaml.resolver.resolve(ScalarNode, text, event.implicit))
        kind_of_value = _TYPES.get(tag.rpartition(":")[2], "str")
    return Event(kind, mark, text, kind_of_value, plain, anchor, tagged)


def _mark(event: Any) -> Mark:
    start: Any = event.start_mark
    end: Any = event.end_mark
    width = end.column - start.column if end.line == start.line else 1
    return Mark(start.line + 1, start.column + 1, max(1, width))


# What ruamel's scanner and parser say → what it means, and what was probably meant.
_WORDS: tuple[tuple[str, str, str], ...] = (
    (
        "mapping values are not allowed",
        "a second `:` on one line",
        "put text that contains `: ` in quotes, and nested fields on lines of their own",
    ),
    (
        "found character '\\t'",
        "a tab; YAML indents with spaces",
        "indent with two spaces",
    ),
    (
        "found unexpected end of stream",
        "a quote that is never closed",
        "close it where its text ends",
    ),
    ("found unexpected document separator", "`---` or `...` inside quotes", ""),
    (
        "expected ',' or '}'",
        "expected `,` or `}` in the mapping that `{` opens",
        "close it with `}`, and put `, ` between its fields",
    ),
    (
        "expected ',' or ']'",
        "expected `,` or `]` in the list that `[` opens",
        "close it with `]`, and put `, ` between its items",
    ),
    ("could not find expected ':'", "a word without `:` where a field belongs", ""),
    (
        "expected <block end>",
        "the indentation does not fit what is above",
        "the fields of one mapping start in the same column",
    ),
    ("did not find expected", "the indentation does not fit what is above", ""),
    ("cannot start any token", "a character that YAML reserves", "put the text in quotes"),
    ("'<document start>'", "text after the end of the document", ""),
    ("found unknown escape character", "an unknown escape in double quotes", ""),
    ("found undefined tag handle", "YAML tags are not allowed", ""),
)


_OPENED = (
    "found unexpected end of stream",
    "expected ',' or '}'",
    "expected ',' or ']'",
    "could not find expected ':'",
)


def _diagnostic(error: YAMLError, text: str) -> Diagnostic:
    problem = str(getattr(error, "problem", None) or error).strip()
    position: Any = getattr(error, "position", None)
    if isinstance(position, int):
        return Diagnostic(
            "not YAML: a control character, which YAML does not allow",
            mark=_mark_at(position, text),
        )
    found = next((words for words in _WORDS if words[0] in problem), None)
    # Where something is not closed, it helps to see where it was opened.
    opened = found is not None and found[0] in _OPENED
    names = ("context_mark", "problem_mark") if opened else ("problem_mark", "context_mark")
    place: Any = next((m for name in names if (m := getattr(error, name, None))), None)
    mark = Mark(place.line + 1, place.column + 1) if place is not None else None
    if found:
        return Diagnostic(f"not YAML: {found[1]}", mark=mark, hint=found[2])
    first = problem.splitlines()[0] if problem else "it cannot be read"
    return Diagnostic(f"not YAML: {first}", mark=mark)


def _mark_at(position: int, text: str) -> Mark:
    before = text[:position]
    return Mark(before.count("\n") + 1, position - (before.rfind("\n") + 1) + 1)
