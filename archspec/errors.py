"""What goes wrong because of a user's input, and how it is said."""

from __future__ import annotations

from dataclasses import dataclass


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


class ArchspecError(Exception):
    """The input or the arguments are wrong; the message is for the user."""


class SpecError(ArchspecError, ValueError):
    """A spec that cannot be accepted, with everything that is wrong with it."""

    def __init__(self, diagnostics: list[Diagnostic], name: str = "<spec>", text: str = "") -> None:
        """Keep `diagnostics` of the file `name` whose content is `text`, ordered by place."""
        unique = dict.fromkeys(diagnostics)
        self.diagnostics = sorted(
            unique, key=lambda d: (d.mark.line, d.mark.column) if d.mark else (0, 0)
        )
        self.name = name
        self.text = text
        super().__init__(self.render())

    def render(self) -> str:
        """The text a user sees: every diagnostic with its place, line and hint."""
        lines = self.text.splitlines()
        parts = [_render(d, self.name, lines) for d in self.diagnostics]
        if len(parts) > 1:
            parts.append(f"{len(parts)} errors in {printable(self.name)}")
        return "\n".join(parts)


def printable(text: str) -> str:
    """`text` with every character that could disturb a terminal written as an escape."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def _render(diagnostic: Diagnostic, name: str, lines: list[str]) -> str:
    mark = diagnostic.mark
    place = f"{printable(name)}:{mark.line}:{mark.column}" if mark else printable(name)
    path = f"{printable(diagnostic.path)}: " if diagnostic.path else ""
    out = [f"{place}: {path}{printable(diagnostic.message)}"]
    if mark and mark.line <= len(lines):
        out += _excerpt(lines[mark.line - 1], mark)
    if diagnostic.hint:
        out.append(f"  help: {printable(diagnostic.hint)}")
    return "\n".join(out)


def _excerpt(line: str, mark: Mark) -> list[str]:
    """The line and a caret below the value, cut so that both fit a terminal."""
    start = max(0, mark.column - 60)
    cut = start + 90
    shown = printable(line[start:cut].replace("\t", " "))
    lead = printable(line[start : mark.column - 1].replace("\t", " "))
    before, after = "…" if start else "", "…" if cut < len(line) else ""
    gutter = f"{mark.line:>5}"
    width = max(1, min(mark.width, len(shown) - len(lead)))
    return [
        f"{gutter} | {before}{shown}{after}",
        f"{' ' * len(gutter)} | {' ' * len(before + lead)}{'^' * width}",
    ]
