"""Puts single files on the disk, whole."""

from __future__ import annotations

import secrets
from pathlib import Path

from archspec.errors import ArchspecError
from archspec.output.lock import Content, as_bytes
from archspec.output.place import failed as _failed
from archspec.output.place import need_parent as _need_parent
from archspec.output.place import shown as _shown


def write_file(path: Path, content: Content) -> None:
    """Write one file whole: it appears under its name only once it is complete.

    Raises `ArchspecError` where that cannot be done.
    """
    if path.is_dir():
        raise ArchspecError(f"{_shown(path)}: a folder, not a file")
    _need_parent(path)
    try:
        if path.exists() and not path.is_file():
            # A pipe or a device: there is nothing to take the place of.
            path.write_bytes(as_bytes(content))
            return
        stage = path.with_name(f".{path.name[:80]}.{secrets.token_hex(4)}")
        try:
            stage.write_bytes(as_bytes(content))
            stage.replace(path)
        finally:
            stage.unlink(missing_ok=True)
    except OSError as error:
        raise _failed(path, error) from None
