"""The file that is in a folder while archspec writes there: a lock on it, and a record in it.

Whoever holds the lock on `.archspec.writing` is the one that writes. A process that dies gives
the lock up and leaves the file: the next one reads in it what may be in the folder by archspec's
own hand. It is removed once `archspec.lock` says all of that.

Where locks are not to be had (some network file systems), nothing keeps two writers apart. Each
still sees what the other did as a change that it did not make, and stops.
"""

from __future__ import annotations

import errno
import json
import os
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from archspec.errors import ArchspecError
from archspec.output.place import is_safe, shown

JOURNAL = ".archspec.writing"
PATIENCE = 10.0
"""How many seconds to wait for another writer; it takes well below one to write a package."""

HELD = {errno.EACCES, errno.EAGAIN, errno.EDEADLK}
CLOEXEC, NOFOLLOW, BINARY = (
    getattr(os, name, 0) for name in ("O_CLOEXEC", "O_NOFOLLOW", "O_BINARY")
)


@dataclass
class Known:
    """What may be in a folder without anybody's own work in it, by path.

    `written` are the SHA-256 of what archspec wrote; `given_up` is what a user let go with
    --force.
    """

    written: dict[str, set[str]] = field(default_factory=dict[str, set[str]])
    given_up: dict[str, set[str]] = field(default_factory=dict[str, set[str]])

    def add(self, written: Mapping[str, str]) -> None:
        """Take note of files and their SHA-256."""
        for path, value in written.items():
            self.written.setdefault(path, set()).add(value)

    def paths(self) -> list[str]:
        """Every path that something is known of."""
        return sorted({*self.written, *self.given_up})

    def disposable(self, path: str) -> set[str]:
        """What may be thrown away once it has been taken out of the way."""
        return self.written.get(path, set()) | self.given_up.get(path, set())


def read(directory: Path) -> Known | None:
    """What the journal in `directory` says; None where there is none."""
    place = directory / JOURNAL
    if place.is_symlink() or not place.is_file():
        return None
    return _parsed(place.read_bytes(), place)[0]


class Journal:
    """The journal of `directory`, which this process holds until `close`."""

    def __init__(self, directory: Path) -> None:
        """Wait for it, making the folder where it is missing.

        Raises `ArchspecError` where another process holds it for long, `OSError` where it cannot
        be made.
        """
        self.place = directory / JOURNAL
        self.made_folder = False
        self.keep = False
        try:
            self.descriptor = self._held(directory)
        except OSError:
            if self.made_folder:
                with suppress(OSError):
                    directory.rmdir()
            raise
        try:
            raw = _content(self.descriptor)
            self.before, self.length = _parsed(raw, self.place)
            self.interrupted = self.length > 0
            # What a process that died was about to say had no effect yet.
            os.ftruncate(self.descriptor, self.length)
        except BaseException:
            os.close(self.descriptor)
            raise

    def record(self, written: Mapping[str, set[str]], given_up: Mapping[str, str]) -> None:
        """Say what may be in the folder from now on, before any of it is."""
        line = {
            "written": {path: sorted(values) for path, values in written.items()},
            "given_up": {path: [value] for path, value in given_up.items()},
        }
        write_all(self.descriptor, (json.dumps(line) + "\n").encode())
        sync(self.descriptor)

    def close(self, done: bool) -> None:
        """Give it up.

        It is removed when `done`, or else left as this process found it; with `keep` it stays
        with all that was recorded.
        """
        removed = not self.keep and (done or not self.interrupted)
        try:
            if removed and os.name != "nt":
                # While it is held, so that nobody holds what is about to go; Windows cannot.
                self.place.unlink(missing_ok=True)
            elif not removed and not self.keep:
                os.ftruncate(self.descriptor, self.length)
        finally:
            os.close(self.descriptor)
        if removed and os.name == "nt":
            self.place.unlink(missing_ok=True)

    def _held(self, directory: Path) -> int:
        end = time.monotonic() + PATIENCE
        while True:
            if not directory.exists():
                directory.mkdir(exist_ok=True)
                self.made_folder = True
            held = self._try()
            if held is not None:
                return held
            if time.monotonic() > end:
                raise ArchspecError(
                    f"{shown(directory)}: another archspec is writing there\n"
                    "  help: try again when it is done"
                )
            time.sleep(0.02)

    def _try(self) -> int | None:
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | CLOEXEC | NOFOLLOW | BINARY
        try:
            descriptor = os.open(self.place, flags, 0o666)
        except FileNotFoundError:
            # Who made the folder has given up and removed it again.
            return None
        try:
            # Who held it before may have removed the name since this process opened it.
            if lock(descriptor) and os.path.samestat(os.fstat(descriptor), os.lstat(self.place)):
                return descriptor
        except FileNotFoundError:
            pass
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
        return None


def lock(descriptor: int) -> bool:
    """Lock an open file until it is closed; False where another process has it."""
    try:
        if sys.platform == "win32":
            import msvcrt

            # Far behind the end: on Windows nobody else can read what is locked.
            os.lseek(descriptor, 1 << 30, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in HELD
    return True


def write_all(descriptor: int, data: bytes) -> None:
    """Write all of `data`, however little a system takes at once."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def sync(descriptor: int) -> None:
    """Have what was written on the disk, where the file system knows how."""
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.ENOSYS, errno.EROFS):
            raise


def _content(descriptor: int) -> bytes:
    os.lseek(descriptor, 0, os.SEEK_SET)
    parts: list[bytes] = []
    while part := os.read(descriptor, 1 << 20):
        parts.append(part)
    return b"".join(parts)


def _parsed(raw: bytes, place: Path) -> tuple[Known, int]:
    """What whole lines say, and how long they are; a line without its end is not one yet."""
    known = Known()
    length = raw.rfind(b"\n") + 1
    for line in raw[:length].splitlines():
        try:
            data = cast("dict[str, dict[str, list[Any]]]", json.loads(line))
            for into, name in ((known.written, "written"), (known.given_up, "given_up")):
                for path, values in data[name].items():
                    into.setdefault(path, set()).update(str(value) for value in values)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            known.written[""] = set()
    if not all(is_safe(path) for path in known.paths()):
        raise ArchspecError(f"{shown(place)}: cannot be read; remove the folder and build again")
    return known, length
