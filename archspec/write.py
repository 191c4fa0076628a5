"""Puts generated files on the disk: all of them or none, and never over somebody's work.

A folder that archspec wrote carries `archspec.lock`, with the SHA-256 of each file in it. Only
what that list names, unchanged, is ever replaced or removed. A new version of a folder is put
together beside the old one and then takes its place by renaming.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Callable, Mapping
from difflib import unified_diff
from hashlib import sha256
from pathlib import Path, PurePosixPath
from stat import S_IMODE
from typing import Any, cast

from archspec.errors import ArchspecError, printable
from archspec.lock import LOCK, Content, as_bytes, digest, manifest

_MAX_KNOWN = 1 << 26
"""Bytes of the largest file that is read to see what it is; no product of archspec comes near."""


def write_package(files: Mapping[str, Content], directory: Path, force: bool = False) -> list[str]:
    """Make `directory` hold `files`; returns the paths that changed, sorted.

    Files that archspec did not write are kept. Raises `ArchspecError`, and leaves everything as
    it was, for a folder that archspec did not write and, unless `force`, for files that were
    edited by hand.
    """
    files = _with_lock(files)
    directory = _named(directory)
    old = _examine(directory)
    edited = _edited(files, directory, old)
    if edited and not force:
        names = "\n".join(f"  {printable(path)}" for path in edited)
        raise ArchspecError(
            f"{_shown(directory)}: edited by hand since archspec wrote it:\n{names}\n"
            "  help: --force writes over these files; move them away to keep them"
        )
    removed = [
        path for path, known in old.items() if path not in files and _hash(directory, path) == known
    ]
    written = [path for path in files if _hash(directory, path) != digest(files[path])]
    if written or removed:
        _replace(files, directory, {*removed, *written})
    return sorted([*written, *removed])


def compare(files: Mapping[str, Content], directory: Path) -> str:
    """A unified diff from `directory` as it stands to `files`; empty where they agree."""
    files = _with_lock(files)
    directory = _named(directory)
    old = _examine(directory)
    gone = {path for path in old if path not in files and _hash(directory, path) == old[path]}
    paths = sorted({*files, *gone} - {LOCK})
    return "".join(_diff(path, files, directory) for path in paths)


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
        path = path.resolve()
        mode = S_IMODE(path.stat().st_mode) if path.exists() else None
        stage = path.with_name(f".{path.name[:80]}.{secrets.token_hex(4)}")
        try:
            # Never readable by more people than the file it replaces.
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
            with os.fdopen(os.open(stage, flags, 0o666 if mode is None else 0o600), "wb") as file:
                file.write(as_bytes(content))
            if mode is not None:
                stage.chmod(mode)
            stage.replace(path)
        finally:
            stage.unlink(missing_ok=True)
    except OSError as error:
        raise _failed(path, error) from None


def need_room(
    path: Path, force: bool = False, known: Callable[[bytes], bool] | None = None
) -> None:
    """Raise `ArchspecError` unless `write_file` may write there, for work that takes long.

    `known` says of the bytes of a file that is there whether it may be replaced without `force`.
    """
    if path.is_dir():
        raise ArchspecError(f"{_shown(path)}: a folder, not a file")
    _need_parent(path)
    try:
        if force or not path.is_file():
            return
        size = path.stat().st_size
        if size == 0 or (size <= _MAX_KNOWN and known and known(path.read_bytes())):
            return
    except OSError as error:
        raise _failed(path, error) from None
    raise ArchspecError(
        f"{_shown(path)}: exists already\n  help: --force replaces it; name another file to keep it"
    )


def _named(directory: Path) -> Path:
    """`.` and `..` by the name of the folder they stand for."""
    return directory if directory.name not in ("", "..") else directory.resolve()


def _shown(path: Path) -> str:
    return printable(str(path))


def _failed(path: Path, error: OSError) -> ArchspecError:
    reason = (error.strerror or str(error)).lower()
    return ArchspecError(f"{_shown(path)}: cannot be written: {reason}")


def _need_parent(path: Path) -> None:
    parent = path.parent
    if not parent.is_dir():
        what = "is not a folder" if parent.exists() else "does not exist"
        raise ArchspecError(f"{_shown(path)}: the folder {_shown(parent)} {what}")


def _with_lock(files: Mapping[str, Content]) -> dict[str, Content]:
    for path in files:
        if not _is_safe(path):
            raise ArchspecError(f"{printable(path)!r} would not stay inside the folder")
    return dict(files) if LOCK in files else {**files, LOCK: manifest(files)}


def _is_safe(path: str) -> bool:
    parts = PurePosixPath(path).parts
    clean = all(c.isprintable() and c not in '\\:*?"<>|' for c in path)
    return clean and path == "/".join(parts) and bool(parts) and ".." not in parts


def _examine(directory: Path) -> dict[str, str]:
    """What the lock of `directory` lists: path → SHA-256; its own is always what it is."""
    if directory.is_symlink():
        raise ArchspecError(f"{_shown(directory)}: a symbolic link; name the folder itself")
    if not directory.exists():
        return {}
    if not directory.is_dir():
        raise ArchspecError(f"{_shown(directory)}: a file, not a folder")
    lock = directory / LOCK
    if not lock.is_file() or lock.is_symlink():
        if any(directory.iterdir()):
            raise ArchspecError(
                f"{_shown(directory)}: a folder with files that archspec did not write\n"
                f"  help: choose another with -o; archspec only replaces a folder with {LOCK}"
            )
        return {}
    try:
        raw = lock.read_bytes()
        data: Any = json.loads(raw)
        hashes = cast("dict[Any, Any]", data["files"])
        known = {str(path): str(value) for path, value in hashes.items()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        known = {"": ""}
        raw = b""
    if not all(_is_safe(path) for path in known):
        raise ArchspecError(f"{_shown(lock)}: cannot be read; remove the folder and build again")
    return {**known, LOCK: sha256(raw).hexdigest()}


def _edited(files: Mapping[str, Content], directory: Path, old: Mapping[str, str]) -> list[str]:
    """The paths that archspec would write over although their content is somebody's own."""
    found: list[str] = []
    for path, content in files.items():
        if path == LOCK or not _exists(directory, path):
            continue
        if _hash(directory, path) is None and (directory / path).is_dir():
            raise ArchspecError(f"{_shown(directory / path)}: a folder where a file belongs")
        now = _hash(directory, path)
        if now not in (old.get(path), digest(content)):
            found.append(path)
    return sorted(found)


def _exists(directory: Path, path: str) -> bool:
    """Whether anything is in the way of `path`: itself, or a file or link above it."""
    here = directory
    for part in PurePosixPath(path).parts:
        here = here / part
        if not os.path.lexists(here):
            return False
        if here.is_symlink() or not here.is_dir():
            return True
    return True


def _hash(directory: Path, path: str) -> str | None:
    """The SHA-256 of a regular file reached without a symbolic link; None for all else."""
    here = directory
    for part in PurePosixPath(path).parts:
        here = here / part
        if here.is_symlink():
            return None
    return sha256(here.read_bytes()).hexdigest() if here.is_file() else None


def _replace(files: Mapping[str, Content], directory: Path, changed: set[str]) -> None:
    directory = directory.absolute()
    _need_parent(directory)
    if directory.exists() and Path.cwd().is_relative_to(directory.resolve()):
        raise ArchspecError(
            f"{_shown(directory)}: cannot be replaced while it is the current folder\n"
            "  help: run archspec from outside of it"
        )
    mark = secrets.token_hex(4)
    stage = directory.with_name(f".{directory.name}.new-{mark}")
    behind = directory.with_name(f".{directory.name}.old-{mark}")
    try:
        stage.mkdir()
        if directory.exists():
            shutil.copymode(directory, stage)
            _keep(directory, stage, changed)
        for path in sorted(changed & set(files)):
            target = stage / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(as_bytes(files[path]))
        _swap(stage, directory, behind)
    except OSError as error:
        raise _failed(directory, error) from None
    finally:
        shutil.rmtree(stage, ignore_errors=True)
    shutil.rmtree(behind, ignore_errors=True)


def _swap(stage: Path, directory: Path, behind: Path) -> None:
    if not directory.exists():
        stage.rename(directory)
        return
    directory.rename(behind)
    try:
        stage.rename(directory)
    except BaseException:
        behind.rename(directory)
        raise


def _keep(source: Path, target: Path, changed: set[str], base: str = "") -> None:
    """Carry over everything but `changed`: files by hard link, links as links."""
    for entry in sorted(source.iterdir()):
        path, copy = base + entry.name, target / entry.name
        if path in changed:
            continue
        if entry.is_symlink():
            below = any(other.startswith(f"{path}/") for other in changed)
            if not below:
                copy.symlink_to(entry.readlink())
        elif entry.is_dir():
            copy.mkdir()
            shutil.copymode(entry, copy)
            _keep(entry, copy, changed, f"{path}/")
            if not any(copy.iterdir()) and any(entry.iterdir()):
                copy.rmdir()
        elif not any(other.startswith(f"{path}/") for other in changed):
            _link(entry, copy)


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target, follow_symlinks=False)
    except (OSError, NotImplementedError):
        shutil.copy2(source, target, follow_symlinks=False)


def _diff(path: str, files: Mapping[str, Content], directory: Path) -> str:
    wanted = as_bytes(files[path]) if path in files else None
    found = (directory / path).read_bytes() if _hash(directory, path) else None
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
