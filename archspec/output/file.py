"""Puts single files on the disk: whole, and never over somebody's work."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from os.path import realpath
from pathlib import Path
from stat import S_IMODE

from archspec.errors import ArchspecError
from archspec.output.lock import Content, as_bytes
from archspec.output.place import failed, need_parent, shown

_MAX_KNOWN = 1 << 26
"""Bytes of the largest file that is read to see what it is; no product of archspec comes near."""


def write_file(
    path: Path,
    content: Content,
    force: bool = False,
    known: Callable[[bytes], bool] | None = None,
) -> None:
    """Write one file whole: it appears under its name only once it is complete.

    A file that is there already is replaced by `force`, or where it is empty, the same, or `known`
    says of its bytes that nothing of somebody's own is lost. It keeps its mode, and a link to it
    stays one.

    Raises `ArchspecError`, and changes nothing, for any other file with another content and where
    a file cannot be written.
    """
    need_room(path, force, lambda old: old == as_bytes(content) or bool(known and known(old)))
    try:
        if path.exists() and not path.is_file():
            # A pipe or a device: there is nothing to take the place of.
            path.write_bytes(as_bytes(content))
            return
        place = Path(realpath(path))  # of a link that leads to itself, that link
        mode = S_IMODE(place.stat().st_mode) if place.exists() else None
        stage = place.with_name(f".{place.name[:80]}.{secrets.token_hex(4)}")
        try:
            # Never readable by more people than the file it replaces.
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
            with os.fdopen(os.open(stage, flags, 0o666 if mode is None else 0o600), "wb") as file:
                file.write(as_bytes(content))
            if mode is not None:
                stage.chmod(mode)
            stage.replace(place)
        finally:
            stage.unlink(missing_ok=True)
    except OSError as error:
        raise failed(path, error) from None


def need_room(
    path: Path, force: bool = False, known: Callable[[bytes], bool] | None = None
) -> None:
    """Raise `ArchspecError` unless `write_file` may write there, for work that takes long.

    `known` says of the bytes of a file that is there whether it may be replaced without `force`.
    """
    if path.is_dir():
        raise ArchspecError(f"{shown(path)}: a folder, not a file")
    need_parent(path)
    try:
        if force or not path.is_file():
            return
        size = path.stat().st_size
        if size == 0 or (size <= _MAX_KNOWN and known and known(path.read_bytes())):
            return
    except OSError as error:
        raise failed(path, error) from None
    raise ArchspecError(
        f"{shown(path)}: exists already\n  help: --force replaces it; name another file to keep it"
    )
