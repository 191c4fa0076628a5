"""Files of a folder changed in place, all of them or none.

Each new file is first written whole beside the one it is to replace (`.NAME.archspec-part`, then
`.NAME.archspec`), so that what can fail for want of room has failed before anything changed. Then
both names are swapped, and what came out is looked at: if it is not what was expected, somebody
saved it meanwhile, and everything is swapped back. What came out is thrown away at the very end.
Where names cannot be swapped, the old file is first given a second name (`.NAME.archspec-old`).

Nothing here remembers what it did: to undo, to finish and to clean up after a process that died
are decided by what is on the disk.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from archspec.output.exchange import exchange
from archspec.output.journal import BINARY, CLOEXEC, Known, sync, write_all
from archspec.output.lock import digest
from archspec.output.place import content_of, naming, obstacle

SUFFIXES = (".archspec-part", ".archspec", ".archspec-old")


@dataclass(frozen=True)
class Step:
    """One path: its new content, None to remove it, and what was there when all began.

    `before` is as `place.content_of` says it.
    """

    path: str
    content: bytes | None
    before: str | None

    @property
    def new(self) -> str | None:
        """The SHA-256 of the new content."""
        return None if self.content is None else digest(self.content)


class Changed(Exception):
    """Something else than expected is at `path`."""

    def __init__(self, path: str) -> None:
        """Keep the path, relative to the folder."""
        super().__init__(path)
        self.path = path


class Change:
    """Steps, the last of which is taken when the others are on the disk."""

    def __init__(self, directory: Path, obstacles: list[Step], steps: list[Step]) -> None:
        """`obstacles` stand where folders for `steps` are to be.

        Raises `FileExistsError` where a name that is needed beside a file is taken.
        """
        self.directory, self.obstacles, self.steps = directory, obstacles, steps
        above = {folder for step in steps if step.content is not None for folder in _above(step)}
        blocked = {step.path for step in obstacles}
        self.folders = [
            path for path in sorted(above) if path in blocked or not (directory / path).is_dir()
        ]
        for step in (*obstacles, *steps):
            for place in beside(directory / step.path):
                if obstacle(directory, step.path) is None and content_of(place) is not None:
                    raise FileExistsError(errno.EEXIST, "it is in the way; remove it", str(place))

    def make(self) -> None:
        """Take all steps, or raise `OSError` or `Changed` with some taken: then `undo`."""
        for step in self.obstacles:
            self._take(step)
        for step in self.steps:
            if step.content is not None:
                with naming(self.directory / step.path):
                    self._stage(self.directory / step.path, step.content)
        for step in self.steps[:-1]:
            self._put(step)
        self._sync(self.steps)
        self._put(self.steps[-1])
        self._sync(self.steps[-1:])

    def undo(self) -> bool:
        """Put back what was there; False if something nobody knows is left beside it."""
        settled = [self._undo(step) for step in reversed(self.steps)]
        for folder in reversed(self.folders):
            remove_empty(self.directory / folder)
        settled += [self._undo(step) for step in reversed(self.obstacles)]
        return all(settled)

    def clean(self) -> None:
        """Throw away what was taken out, and folders that are empty for it."""
        for step in (*self.steps, *self.obstacles):
            for place in beside(self.directory / step.path):
                place.unlink(missing_ok=True)
        prune(self.directory, [step.path for step in self.steps if step.content is None])

    def _stage(self, target: Path, content: bytes) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        part, whole, _ = beside(target)
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | CLOEXEC | BINARY, 0o666)
        try:
            write_all(descriptor, content)
            sync(descriptor)
        finally:
            os.close(descriptor)
        _resemble(part, target)
        part.rename(whole)

    def _put(self, step: Step) -> None:
        if step.content is None:
            self._take(step)
            return
        target = self.directory / step.path
        with naming(target):
            _, whole, old = beside(target)
            now = content_of(target)
            if now is None:
                done = _place(whole, target)
            else:
                done = now == step.before
                done = done and content_of(_swap(whole, target, old)) == now
        if not done:
            raise Changed(step.path)

    def _take(self, step: Step) -> None:
        target = self.directory / step.path
        with naming(target):
            now, old = content_of(target), beside(target)[-1]
            if now is None:
                return
            done = now == step.before
            if done:
                target.rename(old)
                done = content_of(old) == now
        if not done:
            raise Changed(step.path)

    def _undo(self, step: Step) -> bool:
        if obstacle(self.directory, step.path):
            return True  # nothing was put below what still stands there
        target = self.directory / step.path
        part, *asides = beside(target)
        part.unlink(missing_ok=True)
        returned, settled = False, True
        for aside in asides:
            taken, there = content_of(aside), content_of(target)
            if taken is None:
                continue
            if taken == step.new:
                aside.unlink()
            elif there is None or there == step.new:
                aside.replace(target)
                returned = True
            elif taken in (there, step.before):
                aside.unlink()
            else:
                settled = False
        if not returned and step.new is not None and content_of(target) == step.new:
            target.unlink()
        return settled

    def _sync(self, steps: list[Step]) -> None:
        for folder in sorted({(self.directory / step.path).parent for step in steps}):
            sync_folder(folder)


def beside(target: Path) -> tuple[Path, Path, Path]:
    """Where a file is written, where it waits, and where what it replaces may wait."""
    part, whole, old = (target.with_name(f".{target.name}{suffix}") for suffix in SUFFIXES)
    return part, whole, old


def recover(directory: Path, known: Known) -> list[Path]:
    """Clean up after a process that died at `known`; returns what somebody may still want.

    What nobody but archspec made is removed. What was taken out of the way just when somebody had
    saved it is put back, or returned where the same file was saved once more since.
    """
    kept: list[Path] = []
    for path in known.paths():
        target = directory / path
        if obstacle(directory, path):
            continue  # such as a link that somebody made since
        part, *asides = beside(target)
        part.unlink(missing_ok=True)
        for aside in asides:
            taken = content_of(aside)
            if taken is None:
                continue
            there = content_of(target)
            if taken in known.disposable(path) or taken == there:
                aside.unlink()
            elif there is None or there in known.disposable(path):
                aside.replace(target)
            else:
                kept.append(aside)
    prune(directory, known.paths())
    return kept


def prune(directory: Path, paths: list[str]) -> None:
    """Remove the folders on the way to `paths` that are empty."""
    above = {folder for path in paths for folder in _above(path)}
    for folder in sorted(above, reverse=True):
        remove_empty(directory / folder)


def remove_empty(folder: Path) -> None:
    """Remove a folder unless something is in it, or something else holds it."""
    try:
        folder.rmdir()
    except OSError:
        return


def sync_folder(folder: Path) -> None:
    """Have the names in a folder on the disk, where a folder can be opened."""
    if os.name == "nt" or not folder.is_dir():
        return
    descriptor = os.open(folder, os.O_RDONLY | CLOEXEC)
    try:
        sync(descriptor)
    finally:
        os.close(descriptor)


def _above(step: Step | str) -> list[str]:
    path = step if isinstance(step, str) else step.path
    return [str(parent) for parent in PurePosixPath(path).parents if str(parent) != "."]


def _swap(whole: Path, target: Path, old: Path) -> Path:
    """Put `whole` in place of `target`; returns where that is now."""
    if exchange(whole, target):
        return whole
    try:
        os.link(target, old, follow_symlinks=False)
    except (OSError, NotImplementedError):
        # No second names here: for a moment there is no file.
        target.rename(old)
    whole.replace(target)
    return old


def _place(whole: Path, target: Path) -> bool:
    """Give `whole` the name `target` as well, or instead; False where there is one by now."""
    try:
        os.link(whole, target, follow_symlinks=False)
    except FileExistsError:
        return False
    except (OSError, NotImplementedError):
        if content_of(target) is not None:
            return False
        whole.rename(target)
    return True


def _resemble(part: Path, target: Path) -> None:
    """Give a new file the mode of the one that it is to replace, and another second.

    Python takes a compiled file for the source's if second and size of both are the same.
    """
    with suppress(OSError):  # nothing is there, or the file system has no modes
        old, new = target.lstat(), part.lstat()
        if not stat.S_ISREG(old.st_mode):
            return
        if int(old.st_mtime) == int(new.st_mtime) and old.st_size == new.st_size:
            os.utime(part, ns=(new.st_atime_ns, old.st_mtime_ns + 10**9))
        part.chmod(stat.S_IMODE(old.st_mode))
