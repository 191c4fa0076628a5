"""Places on the disk: what may be one, what is at one, and how they are called in errors."""

from __future__ import annotations

import os
import stat
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path, PurePosixPath

from archspec.errors import ArchspecError, printable

MAX_SHOWN = 300


def shown(path: Path | str) -> str:
    """A path as an error shows it, a very long one by its two ends."""
    text = str(path)
    return printable(text if len(text) <= MAX_SHOWN else f"{text[:160]}…{text[-80:]}")


def failed(path: Path | str, error: OSError) -> ArchspecError:
    """What to say where `path` could not be written."""
    reason = (error.strerror or str(error)).lower()
    return ArchspecError(f"{shown(path)}: cannot be written: {reason}")


@contextmanager
def naming(path: Path | str) -> Generator[None]:
    """Errors of the system name `path`, which a full disk would leave out."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), str(path)) from None


def put_files(files: Mapping[str, str], folder: Path) -> None:
    """Write files into a folder that no other process writes to, with the folders in it."""
    for path, text in files.items():
        place = folder / path
        with naming(place):
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text, encoding="utf-8")


def need_parent(path: Path) -> None:
    """Raise `ArchspecError` unless the folder that is to hold `path` is there."""
    parent = path.parent
    if not parent.is_dir():
        what = "is not a folder" if parent.exists() else "does not exist"
        raise ArchspecError(f"{shown(path)}: the folder {shown(parent)} {what}")


def is_safe(path: str) -> bool:
    """Whether a relative path stays inside its folder, and is one on every system."""
    parts = PurePosixPath(path).parts
    clean = all(c.isprintable() and c not in '\\:*?"<>|' for c in path)
    return clean and path == "/".join(parts) and bool(parts) and ".." not in parts


def content_of(place: Path) -> str | None:
    """What is at `place`: the SHA-256 of a regular file, None for nothing, a word for all else.

    The last part is not followed where it is a symbolic link.
    """
    try:
        mode = os.lstat(place).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None
    if stat.S_ISREG(mode):
        return sha256(place.read_bytes()).hexdigest()
    if stat.S_ISLNK(mode):
        return f"link to {os.readlink(place)}"  # noqa: PTH115
    return "folder" if stat.S_ISDIR(mode) else "device"


def obstacle(directory: Path, path: str) -> str | None:
    """The first folder on the way to `path` that is none, or is a symbolic link to one."""
    parts = PurePosixPath(path).parts
    for count in range(1, len(parts)):
        above = "/".join(parts[:count])
        try:
            mode = os.lstat(directory / above).st_mode
        except (FileNotFoundError, NotADirectoryError):
            return None
        if not stat.S_ISDIR(mode):
            return above
    return None
