"""What goes wrong because of a user's input, and how it is said."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from archspec.errors.excerpt import excerpt
from archspec.errors.printing import clipped, printable

if TYPE_CHECKING:
    from archspec.language.source import Document

__all__ = ["ArchspecError", "Diagnostic", "Mark", "SpecError", "printable", "warning"]

MAX_OF_A_KIND = 20
WIDTH = 100
"""Columns of an error message where there is no terminal to ask."""

_LINE_END = re.compile(r"\r\n?|\n")
_GIVEN = re.compile(r"`[^`]*`|'[^']*'|\"[^\"]*\"|(?:, got|: ).*|[\d,.]+", re.DOTALL)


@dataclass(frozen=True)
class Mark:
    """A place in a text; both numbers count from 1."""

    line: int
    column: int
    width: int = 1


@dataclass(frozen=True)
class Diagnostic:
    """One thing wrong with an input.

    `path` is the dotted way to the value (`blocks.local.mixer.heads`), `hint` what was
    probably meant.
    """

    message: str
    path: str = ""
    mark: Mark | None = None
    hint: str = ""

    @property
    def kind(self) -> str:
        """The message without what was given: the same for the same mistake elsewhere."""
        return _GIVEN.sub("", self.message[:200])


class ArchspecError(Exception):
    """The input or the arguments are wrong; the message is for the user."""


class SpecError(ArchspecError, ValueError):
    """A spec that cannot be accepted, with everything that is wrong with it."""

    def __init__(self, diagnostics: list[Diagnostic], name: str = "<spec>", text: str = "") -> None:
        """Keep `diagnostics` of the file `name` whose content is `text`, ordered by place.

        Of one kind the first `MAX_OF_A_KIND` are kept; `more` says how many others there are, by
        the message of the last that is kept.
        """
        ordered = sorted(dict.fromkeys(diagnostics), key=_place)
        self.count = len(ordered)
        self.diagnostics, self.more = _first(ordered)
        self.name = name
        self.text = text
        super().__init__(self.render())

    def render(self, width: int = WIDTH) -> str:
        """The text a user sees, for a terminal of `width` columns."""
        lines = _LINE_END.split(self.text)
        parts = [_render(d, self.name, lines, width) for d in self.diagnostics]
        for message, count in self.more.items():
            parts.append(f"and {count:,} more of this kind: {clipped(message, 120)}")
        if self.count > 1:
            parts.append(f"{self.count:,} errors in {printable(self.name)}")
        return "\n".join(parts)


def warning(diagnostics: list[Diagnostic], document: Document, width: int = WIDTH) -> str:
    """What a user sees of things in `document` that are allowed and probably not meant."""
    lines = _LINE_END.split(document.text)
    parts = [
        _render(replace(d, path=f"warning: {d.path}"), document.name, lines, width)
        for d in diagnostics[:MAX_OF_A_KIND]
    ]
    if more := len(diagnostics) - len(parts):
        parts.append(f"and {more:,} more warnings of this kind")
    return "\n".join(parts)


def _place(diagnostic: Diagnostic) -> tuple[int, int]:
    mark = diagnostic.mark
    return (mark.line, mark.column) if mark else (0, 0)


def _first(ordered: Iterable[Diagnostic]) -> tuple[list[Diagnostic], dict[str, int]]:
    kept: list[Diagnostic] = []
    seen: Counter[str] = Counter()
    last: dict[str, str] = {}
    for diagnostic in ordered:
        kind = diagnostic.kind
        seen[kind] += 1
        if seen[kind] <= MAX_OF_A_KIND:
            kept.append(diagnostic)
            last[kind] = diagnostic.message
    return kept, {
        last[kind]: count - MAX_OF_A_KIND for kind, count in seen.items() if count > MAX_OF_A_KIND
    }


def _render(diagnostic: Diagnostic, name: str, lines: list[str], width: int) -> str:
    mark = diagnostic.mark
    place = f"{printable(name)}:{mark.line}:{mark.column}" if mark else printable(name)
    path = f"{clipped(diagnostic.path, 200)}: " if diagnostic.path else ""
    out = [f"{place}: {path}{clipped(diagnostic.message, 1000)}"]
    if mark and mark.line <= len(lines):
        out += excerpt(lines[mark.line - 1], mark.line, mark.column, mark.width, width)
    if diagnostic.hint:
        out.append(f"  help: {clipped(diagnostic.hint, 1500)}")
    return "\n".join(out)
