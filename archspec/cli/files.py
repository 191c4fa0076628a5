"""Reading what the user names: a file, or `-` for standard input."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from archspec.cli.streams import say
from archspec.errors import ArchspecError
from archspec.output.file import write_file
from archspec.output.place import shown

if TYPE_CHECKING:
    from archspec.architecture.model import Architecture
    from archspec.errors import Diagnostic
    from archspec.language.source import Document


def read(argument: str) -> tuple[str, str]:
    """The text and the name of a file; raises `ArchspecError` unless it is UTF-8 text."""
    from archspec.language.source import MAX_BYTES, decode

    name = "<stdin>" if argument == "-" else argument
    try:
        # One byte too many is enough to know that a file is too long.
        if argument == "-":
            raw = sys.stdin.buffer.read(MAX_BYTES + 1)
        else:
            with Path(argument).open("rb") as file:
                raw = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise ArchspecError(f"{shown(name)}: no such file{_near(argument)}") from None
    except IsADirectoryError:
        raise ArchspecError(f"{shown(name)}: a folder, not a file") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a usable path"
        raise ArchspecError(f"{shown(name)}: cannot be read: {reason.lower()}") from None
    return decode(raw, name), name


def load(argument: str) -> tuple[Architecture, str, str]:
    """The architecture in a file, the file's text and its name; warnings go to the terminal."""
    from archspec.cli.terminal import columns
    from archspec.errors import warning

    architecture, warnings, document = examined(argument)
    if warnings:
        say(warning(warnings, document, columns()))
    return architecture, document.text, document.name


def examined(argument: str) -> tuple[Architecture, list[Diagnostic], Document]:
    """The architecture in a file, what is allowed there and probably not meant, and its data."""
    from archspec.architecture.resolve import resolve
    from archspec.language.source import parse
    from archspec.language.unused import unused

    document = parse(*read(argument))
    return resolve(document), unused(document), document


def put(
    output: str | None,
    content: str | bytes,
    force: bool = False,
    known: Callable[[bytes], bool] | None = None,
) -> None:
    """Write to the file `output`, or to standard output for None and `-`.

    `force` and `known` say what a file that is there may be replaced by, as in `write_file`. What
    is printed is a file as well, as for `> FILE`: in UTF-8, whatever the terminal's encoding.
    """
    if output not in (None, "-"):
        write_file(Path(output), content, force, known)
        return
    raw = content.encode("utf-8", "backslashreplace") if isinstance(content, str) else content
    sys.stdout.flush()
    if hasattr(sys.stdout, "buffer"):
        sys.stdout.buffer.write(raw)
    else:
        # A notebook's stream takes text alone.
        sys.stdout.write(raw.decode("utf-8"))


def _near(argument: str) -> str:
    path = Path(argument)
    known_suffixes = {".yaml", ".yml", ".json"}
    try:
        known = [entry.name for entry in path.parent.iterdir() if entry.suffix in known_suffixes]
    except (OSError, ValueError):
        return ""
    found = difflib.get_close_matches(path.name, known, n=1, cutoff=0.7)
    return f"\n  help: did you mean {shown(str(path.with_name(found[0])))}?" if found else ""
