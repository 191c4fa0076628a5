"""A package's files on the disk, changed in place, and never over somebody's work.

A folder that archspec wrote carries `archspec.lock`, with the SHA-256 of each file in it. Only what
that list names, unchanged, is ever replaced or removed; every other file, folder, link and mounted
volume in it stays untouched, and the folder itself is never moved. What is promised:

- Whoever reads a file reads all of the old or all of the new one. While files are being swapped,
  for milliseconds, some are old and some new; `archspec.lock` is the last, so a folder whose files
  have the hashes that it lists is whole. A folder that did not exist gets its `__init__.py` last.
- An error (a full disk, a file that cannot be replaced, Ctrl-C) leaves what was there before.
- After a process that was killed at any point, or a machine that lost its power, the next build
  completes the folder. No half-written file ever stands under its name. What the killed one wrote
  does not count as edited by hand, and what a user edited still does.
- A file saved by hand while a build runs is kept, and the build says so and changes nothing. It is
  noticed when it comes out of its place, in one step with what takes it; where a file system cannot
  swap two names (neither renameat2 nor renamex_np), an editor that saves by renaming within the
  microseconds between two calls is not.
- One process writes to a folder at a time; others wait some seconds for it, then fail. Where a file
  system has no locks, each takes the other's files for edits, and stops.
- Nothing outside of the folder is written. Links are not followed. Somebody who replaces folders
  by links while a build runs is not guarded against.
- Where nothing changes, nothing is touched.

On Windows a folder's names are not flushed to the disk, and a file that another program has open
cannot be replaced: that is an error, and everything stays as it was.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from archspec.errors import ArchspecError, printable
from archspec.output import journal
from archspec.output.change import Change, Changed, Step, recover, remove_empty
from archspec.output.folder import View, examine, look
from archspec.output.journal import JOURNAL, Journal
from archspec.output.lock import LOCK, Content, as_bytes, digest, manifest
from archspec.output.place import failed, is_safe, need_parent, shown

LAST = ("__init__.py", LOCK)
"""What is written when all else is there."""


def write_package(files: Mapping[str, Content], directory: Path, force: bool = False) -> list[str]:
    """Make `directory` hold `files`; returns the paths that changed, sorted.

    Files that archspec did not write are kept. Raises `ArchspecError`, and leaves everything as
    it was, for a folder that archspec did not write and, unless `force`, for files that were
    edited by hand; also where the disk refuses, and where another process writes there for long.
    """
    wanted = with_lock(files)
    directory = named(directory)
    try:
        view = look(directory, wanted, examine(directory))
        begun = journal.read(directory) is not None
        if not begun and not view.outdated() and not view.removed():
            return []
        need_parent(directory.absolute())
        return _write(wanted, directory, force)
    except Changed as changed:
        raise ArchspecError(
            f"{shown(directory / changed.path)}: saved by hand while archspec was writing;"
            " nothing was replaced\n  help: build again to see what was edited"
        ) from None
    except OSError as error:
        said = failed(error.filename or directory, error)
        if os.path.lexists(directory / JOURNAL):
            said = ArchspecError(f"{said}\n  help: a part is in place; build again to complete it")
        raise said from None


def with_lock(files: Mapping[str, Content]) -> dict[str, Content]:
    """`files` with the list of them; raises `ArchspecError` for a path that leaves the folder."""
    for path in files:
        if not is_safe(path):
            raise ArchspecError(f"{printable(path)!r} would not stay inside the folder")
    return dict(files) if LOCK in files else {**files, LOCK: manifest(files)}


def named(directory: Path) -> Path:
    """`.` and `..` by the name of the folder they stand for."""
    return directory if directory.name not in ("", "..") else directory.resolve()


def _write(wanted: dict[str, Content], directory: Path, force: bool) -> list[str]:
    held, done = Journal(directory), False
    try:
        state = examine(directory, held)
        left = recover(directory, state.known) if held.interrupted else []
        view = look(directory, wanted, state)
        _refuse(directory, view.edited(), left, force)
        changed = sorted([*view.outdated(), *view.removed()])
        if changed:
            _change(directory, view, held)
        done = True
        return changed
    finally:
        held.close(done)
        if held.made_folder and not done:
            remove_empty(directory)


def _refuse(directory: Path, names: list[str], left: list[Path], force: bool) -> None:
    """Raise for what somebody edited; with `force`, what a killed process left of it goes."""
    names = [*names, *(place.relative_to(directory).as_posix() for place in left)]
    if names and not force:
        raise ArchspecError(
            f"{shown(directory)}: edited by hand since archspec wrote it:\n"
            + "".join(f"  {printable(name)}\n" for name in names)
            + "  help: --force writes over these files; move them away to keep them"
        )
    for place in left:
        place.unlink()


def _change(directory: Path, view: View, held: Journal) -> None:
    """Write and remove what `view` says, or raise with everything as it was."""
    wanted, here = view.wanted, view.here
    written = view.outdated()
    obstacles = sorted({view.blocked[path] for path in written if path in view.blocked})
    gone = [path for path in view.removed() if path not in obstacles]
    last = [path for path in LAST if path in written]
    order = [path for path in written if path not in last] + gone + last
    change = Change(
        directory,
        [Step(path, None, here[path]) for path in obstacles],
        [Step(p, as_bytes(wanted[p]) if p in wanted else None, here[p]) for p in order],
    )
    known = {path: {digest(content)} for path, content in wanted.items()}
    for path, value in view.state.listed.items():
        known.setdefault(path, set()).add(value)
    let_go = (path for path in (*obstacles, *order) if not view.ours(path))
    try:
        held.record(known, {path: now for path in let_go if (now := here[path])})
        change.make()
    except BaseException:
        held.keep = True
        held.keep = not change.undo()
        raise
    held.keep = True
    with suppress(OSError):  # the package is written; what stays beside it, the next build removes
        change.clean()
        held.keep = False
