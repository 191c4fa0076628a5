"""ruamel's scanner with YAML 1.2's own rules for directives and tabs, and fast over blanks."""

from __future__ import annotations

import re
from typing import Any

from ruamel.yaml import scanner

_BLANKS = re.compile(r"[ \t]*")
_SPACES = re.compile(r" *")
_COMMENT = re.compile(r"#[^\r\n\0]*")
_BREAK = re.compile(r"\r\n?|\n")
_EMPTY_LINES = re.compile(r"(?:[ \t]*(?:\r\n?|\n))*")
_SEPARATOR = re.compile(r"(?:---|\.\.\.)(?=[ \t\r\n\0])")
_DIRECTIVE = re.compile(r"%[^\r\n\0]*")
_YAML_12 = re.compile(r"%YAML[ \t]+1\.2[ \t]*(?:[ \t]#.*)?")


class BadDirective(Exception):
    """A `%` line that asks for something else than YAML 1.2 as it is."""

    def __init__(self, message: str, hint: str, written: str, line: int) -> None:
        """Keep what is wrong, what to do, the line and its number from 1."""
        super().__init__(message)
        self.hint, self.written, self.line = hint, written, line


_Base: Any = scanner.Scanner  # which says little of its types


class Scanner(_Base):
    """Text → tokens."""

    def scan_directive(self) -> Any:
        """Nothing but `%YAML 1.2`: in 1.1 `yes` is true, 0100 is 64 and 1:30 is 90."""
        reader: Any = self.reader
        written = _next(_DIRECTIVE, reader).rstrip()
        if _YAML_12.fullmatch(written):
            return _Base.scan_directive(self)
        name = written[1:].split()[:1]
        if name == ["YAML"]:
            message = "this line asks for another version"
            hint = "leave it out; in YAML 1.2 a truth is `true` or `false`"
        elif name == ["TAG"]:
            message, hint = "tags are not allowed; a spec is plain data", "leave it out"
        else:
            message = "an unknown directive"
            hint = "put text that begins with `%` in quotes"
        raise BadDirective(message, hint, written, reader.line + 1)

    def scan_to_next_token(self) -> None:
        """Skip blanks, comments and line breaks.

        A tab indents nothing, and what it stands before on its line is neither key nor item
        (YAML 1.2.2, section 6.1).
        """
        reader: Any = self.reader
        if reader.index == 0 and reader.peek() == "\ufeff":
            reader.forward()
        while True:
            blanks = _next(_BLANKS, reader)
            after = reader.peek(len(blanks))
            tab = "\t" in blanks and not self.flow_level and after not in "#\r\n\0"
            if tab and _begins_line(reader):
                # What comes next is a tab, which begins no token.
                reader.forward(blanks.index("\t"))
                return
            reader.forward(len(blanks))
            reader.forward(len(_next(_COMMENT, reader)))
            if self.scan_line_break():
                self.allow_simple_key = self.allow_simple_key or not self.flow_level
                continue
            self.allow_simple_key = self.allow_simple_key and not tab
            return

    def scan_plain_spaces(self, indent: int, start_mark: Any) -> list[str] | None:
        """What stands between the words of a plain scalar, with line breaks folded."""
        reader: Any = self.reader
        blanks = _next(_BLANKS, reader)
        if reader.peek(len(blanks)) not in "\r\n":
            reader.forward(len(blanks))
            return [blanks] if blanks else []
        gap = _next(_EMPTY_LINES, reader)
        reader.forward(len(gap))
        self.allow_simple_key = True
        if _next(_SEPARATOR, reader):
            return None
        reader.forward(len(_next(_SPACES, reader)))
        if reader.column >= indent:
            reader.forward(len(_next(_BLANKS, reader)))
        return ["\n"] * (len(_BREAK.findall(gap)) - 1) or [" "]


def _next(pattern: re.Pattern[str], reader: Any) -> str:
    """What `pattern`, which may match nothing, matches from here."""
    match = pattern.match(reader.buffer, reader.pointer)
    return match[0] if match else ""


def _begins_line(reader: Any) -> bool:
    """Whether nothing but spaces stands before this on its line."""
    return not reader.buffer[reader.pointer - reader.column : reader.pointer].strip(" ")
