"""What is in a package's folder, and whose it is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

from archspec.errors import ArchspecError
from archspec.output import journal
from archspec.output.journal import JOURNAL, Journal, Known
from archspec.output.lock import LOCK, WITH, Content, digest
from archspec.output.place import content_of, is_safe, obstacle, shown


@dataclass(frozen=True)
class State:
    """What archspec wrote into a folder: `listed` by its lock, `known` by the journal as well."""

    listed: dict[str, str]
    known: Known


def examine(directory: Path, held: Journal | None = None) -> State:
    """The state of `directory`; `held` is its journal where this process has it.

    Raises `ArchspecError` for what is no folder, and for a folder that archspec did not write.
    """
    if directory.is_symlink():
        raise ArchspecError(f"{shown(directory)}: a symbolic link; name the folder itself")
    if not directory.exists():
        return State({}, Known())
    if not directory.is_dir():
        raise ArchspecError(f"{shown(directory)}: a file, not a folder")
    state = _state(directory, held)
    # Looked at twice: another process may have begun to write here between two looks.
    state = state or _state(directory, held)
    if state is None:
        raise ArchspecError(
            f"{shown(directory)}: a folder with files that archspec did not write\n"
            f"  help: choose another with -o; archspec only replaces a folder with {LOCK}"
        )
    return state


@dataclass(frozen=True)
class View:
    """A folder as it was at one moment, of which everything is decided.

    `here` says what is at each path, as `place.content_of` does, `blocked` for some of them which
    file or link stands where a folder above it belongs.
    """

    state: State
    wanted: Mapping[str, Content]
    here: Mapping[str, str | None]
    blocked: Mapping[str, str]

    def ours(self, path: str) -> bool:
        """Whether nothing is at `path` but what archspec wrote."""
        now = self.here[path]
        return now is None or now in self.state.known.written.get(path, ())

    def outdated(self) -> list[str]:
        """The wanted files that are missing or differ."""
        return [
            path for path in sorted(self.wanted) if self.here[path] != digest(self.wanted[path])
        ]

    def removed(self) -> list[str]:
        """What archspec wrote and is no longer wanted, as far as it is as it was written."""
        known = sorted(self.state.known.written)
        return [p for p in known if p not in self.wanted and self.here[p] and self.ours(p)]

    def edited(self) -> list[str]:
        """The wanted files at whose place somebody's own work is."""
        return [
            path
            for path in self.outdated()
            if path != LOCK and not self.ours(self.blocked.get(path, path))
        ]


def asked(directory: Path) -> list[str]:
    """What the package in `directory` was asked to have; nothing where no such list is there."""
    try:
        data: Any = json.loads((directory / LOCK).read_bytes())
        return [str(name) for name in cast("list[Any]", data.get(WITH, []))]
    except (OSError, ValueError, TypeError, AttributeError, RecursionError):
        return []


def look(directory: Path, wanted: Mapping[str, Content], state: State) -> View:
    """`directory` as it is now; raises `ArchspecError` for a folder where a file belongs."""
    here: dict[str, str | None] = {}
    blocked: dict[str, str] = {}
    for path in sorted({*wanted, *state.known.written}):
        if above := obstacle(directory, path):
            blocked[path] = above
            here[path], here[above] = None, content_of(directory / above)
        else:
            here.setdefault(path, content_of(directory / path))
        if here[path] == "folder" and path in wanted:
            raise ArchspecError(f"{shown(directory / path)}: a folder where a file belongs")
    return View(state, wanted, here, blocked)


def _state(directory: Path, held: Journal | None) -> State | None:
    """The state of a folder, None for one of somebody else.

    The journal is read before the lock, since it goes only when the lock is there.
    """
    begun = held.before if held and held.interrupted else None
    if held is None:
        begun = journal.read(directory)
    lock = directory / LOCK
    if not lock.is_file() or lock.is_symlink():
        others = any(entry.name != JOURNAL for entry in directory.iterdir())
        return None if others and begun is None else State({}, begun or Known())
    raw = lock.read_bytes()
    try:
        data: Any = json.loads(raw)
        hashes = cast("dict[Any, Any]", data["files"])
        listed = {str(path): str(value) for path, value in hashes.items()}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        listed = {"": ""}
    if not all(is_safe(path) for path in listed):
        raise ArchspecError(f"{shown(lock)}: cannot be read; remove the folder and build again")
    listed[LOCK] = sha256(raw).hexdigest()
    known = begun or Known()
    known.add(listed)
    return State(listed, known)
