"""What a build would change in a folder, as a unified diff."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import unified_diff
from pathlib import Path

from archspec.errors import ArchspecError
from archspec.output.folder import examine, look
from archspec.output.lock import LOCK, Content, as_bytes
from archspec.output.package import named, with_lock
from archspec.output.place import obstacle, shown


def compare(files: Mapping[str, Content], directory: Path) -> str:
    """A unified diff from `directory` as it stands to `files`; empty where they agree.

    Raises `ArchspecError` for a folder that archspec did not write or that cannot be read.
    """
    wanted = with_lock(files)
    directory = named(directory)
    try:
        gone = look(directory, wanted, examine(directory)).removed()
        paths = sorted({*wanted, *gone} - {LOCK})
        return "".join(_diff(path, wanted, directory) for path in paths)
    except OSError as error:
        place = shown(error.filename or directory)
        reason = (error.strerror or str(error)).lower()
        raise ArchspecError(f"{place}: cannot be read: {reason}") from None


def compare_file(content: Content, path: Path) -> str:
    """A unified diff from the file at `path` as it stands to `content`; empty where they agree.

    Raises `ArchspecError` where it cannot be read.
    """
    try:
        found = path.read_bytes() if path.is_file() else None
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ArchspecError(f"{shown(path)}: cannot be read: {reason}") from None
    return _differs(path.name, found, as_bytes(content))


def _diff(path: str, files: Mapping[str, Content], directory: Path) -> str:
    wanted = as_bytes(files[path]) if path in files else None
    place = directory / path
    is_file = not obstacle(directory, path) and not place.is_symlink() and place.is_file()
    return _differs(path, place.read_bytes() if is_file else None, wanted)


def _differs(path: str, found: bytes | None, wanted: bytes | None) -> str:
    if found == wanted:
        return ""
    try:
        before = found.decode().splitlines(keepends=True) if found else []
        after = wanted.decode().splitlines(keepends=True) if wanted else []
    except UnicodeDecodeError:
        return f"{path}: differs\n"
    old = path if found is not None else "/dev/null"
    new = path if wanted is not None else "/dev/null"
    lines = unified_diff(before, after, old, new)
    return "".join(line if line.endswith("\n") else line + "\n" for line in lines)
