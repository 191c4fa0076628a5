"""Reading what the user names: a file, or `-` for standard input."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from archspec.errors import ArchspecError, printable
from archspec.write import write_file

if TYPE_CHECKING:
    from archspec.architecture import Architecture


def read(argument: str) -> tuple[str, str]:
    """The text and the name of a file; raises `ArchspecError` unless it is UTF-8 text."""
    from archspec.source import MAX_BYTES, decode

    name = "<stdin>" if argument == "-" else argument
    try:
        # One byte too many is enough to know that a file is too long.
        if argument == "-":
            raw = sys.stdin.buffer.read(MAX_BYTES + 1)
        else:
            with Path(argument).open("rb") as file:
                raw = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise ArchspecError(f"{printable(name)}: no such file{_near(argument)}") from None
    except IsADirectoryError:
        raise ArchspecError(f"{printable(name)}: a folder, not a file") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a usable path"
        raise ArchspecError(f"{printable(name)}: cannot be read: {reason.lower()}") from None
    return decode(raw, name), name


def load(argument: str) -> tuple[Architecture, str, str]:
    """The architecture in a file, the file's text and its name."""
    from archspec import loads

    text, name = read(argument)
    return loads(text, name), text, name


def put(
    output: str | None,
    content: str | bytes,
    force: bool = False,
    known: Callable[[bytes], bool] | None = None,
) -> None:
    """Write to the file `output`, or to standard output for None and `-`.

    `force` and `known` say what a file that is there may be replaced by, as in `write_file`.
    """
    if output not in (None, "-"):
        write_file(Path(output), content, force, known)
    elif isinstance(content, bytes):
        sys.stdout.flush()
        sys.stdout.buffer.write(content)
    else:
        sys.stdout.write(content)


def _near(argument: str) -> str:
    path = Path(argument)
    known_suffixes = {".yaml", ".yml", ".json"}
    try:
        known = [entry.name for entry in path.parent.iterdir() if entry.suffix in known_suffixes]
    except (OSError, ValueError):
        return ""
    found = difflib.get_close_matches(path.name, known, n=1, cutoff=0.7)
    return f"\n  help: did you mean {printable(str(path.with_name(found[0])))}?" if found else ""
