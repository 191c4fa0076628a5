"""Packages on a disk that fails, and calls of the system at which something happens."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from archspec.output import change, exchange
from archspec.output.lock import LOCK, as_bytes, manifest
from archspec.output.package import write_package

OLD = {
    "__init__.py": "import model\n",
    "model.py": "layers = 2\n",
    "same.py": "x = 1\n",
    "figure.png": b"\x89PNG old",
    "kernels/one.py": "k = 1\n",
    "gone/last.py": "g = 1\n",
}
NEW = {
    "__init__.py": "import model, step\n",
    "model.py": "layers = 3\n",
    "same.py": "x = 1\n",
    "figure.png": b"\x89PNG new",
    "kernels/one.py": "k = 2\n",
    "experts/two.py": "e = 2\n",
    "step.py": "s = 1\n",
}
OTHER = {"__init__.py": "import model\n", "model.py": "layers = 4\n", "kernels/three.py": "k = 3\n"}
MINE = {"weights/model.safetensors": b"w" * 100, "kernels/mine.py": b"m", "notes.txt": b"n"}
"""Files of the user, in folders of their own and of archspec's."""

Package = dict[str, Any]
CALLS = (
    *("open", "write", "fsync", "ftruncate", "rename", "replace", "link", "unlink", "mkdir"),
    *("rmdir", "utime", "lstat", "stat", "listdir", "scandir", "readlink"),
)


def whole(package: Package) -> dict[str, bytes]:
    """What a folder holds that has exactly this package."""
    return {path: as_bytes(text) for path, text in {**package, LOCK: manifest(package)}.items()}


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below `folder`, hidden ones too."""
    if not folder.exists():
        return {}
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def seen(folder: Path) -> dict[str, bytes]:
    """The files under their own names, without what archspec keeps beside them for a while."""
    return {path: raw for path, raw in tree(folder).items() if "/." not in f"/{path}"}


def put(folder: Path, files: dict[str, bytes]) -> None:
    for path, raw in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(raw)


def standing(folder: Path, package: Package | None = None, mine: bool = True) -> Path:
    """A folder with a package, and files of the user in it."""
    if package is not None:
        write_package(package, folder)
        if mine:
            put(folder, MINE)
    return folder


class Calls:
    """Counts calls of the system and does something before the one with the number `at`.

    A write counts twice: before it, and when half of it is on the disk. How many calls a build
    makes depends on the second in which files were written: the last numbers may not come.
    """

    def __init__(self, at: int = -1, happen: Callable[[str], None] = lambda name: None) -> None:
        self.at, self.happen, self.count = at, happen, 0
        self.names: list[str] = []
        self.happened = False
        self.first: tuple[int, Callable[[], object]] | None = None
        self.inside = False

    def tell(self, name: str) -> None:
        if self.inside:
            return
        self.names.append(name)
        self.count += 1
        if self.first and self.count - 1 == self.first[0]:
            self.first[1]()
        if self.count - 1 == self.at:
            self.inside = self.happened = True
            try:
                self.happen(name)
            finally:
                self.inside = False

    @contextmanager
    def on(self) -> Iterator[Calls]:
        """Watch the calls of this process."""
        with pytest.MonkeyPatch.context() as patch:
            for name in CALLS:
                patch.setattr(os, name, self._watched(name, getattr(os, name)))
            swap = self._watched("exchange", exchange.exchange)
            patch.setattr(change, "exchange", swap)
            yield self

    def _watched(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            self.tell(name)
            if name == "write" and not self.inside:
                descriptor, data = arguments
                half = len(data) // 2
                real(descriptor, data[:half])
                self.tell("half a write")
                return half + real(descriptor, data[half:])
            return real(*arguments, **options)

        return call


def names(work: Callable[[], Any]) -> list[str]:
    """The calls that `work` makes."""
    with Calls().on() as calls:
        work()
    return calls.names


def total(work: Callable[[], Any]) -> int:
    """How many calls `work` makes."""
    return len(names(work))


@contextmanager
def without(*abilities: str) -> Iterator[None]:
    """A file system that cannot swap two names, or give a file a second one."""

    def refuse(*_: Any, **__: Any) -> Any:
        raise PermissionError(1, "Operation not permitted")

    with pytest.MonkeyPatch.context() as patch:
        if "exchange" in abilities:
            patch.setattr(exchange, "exchange", lambda one, other: False)
            patch.setattr(change, "exchange", lambda one, other: False)
        if "link" in abilities:
            patch.setattr(os, "link", refuse)
        yield


def killed(
    work: Callable[[], Any], at: int, first: tuple[int, Callable[[], object]] | None = None
) -> bool:
    """Run `work` in a process that dies at the call `at`; False if it came to its end before.

    `first` is another thing that happens in it, and the number of the call.
    """
    child = os.fork()
    if child == 0:
        code = 1
        try:
            calls = Calls(at, lambda name: os._exit(9))
            calls.first = first
            with calls.on():
                work()
            code = 0
        finally:
            os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in (0, 9)
    return code == 9


def sample(count: int, most: int) -> list[int]:
    """All numbers below `count`, or `most` of them spread evenly over it."""
    if count <= most:
        return list(range(count))
    return sorted({round(i * (count - 1) / (most - 1)) for i in range(most)})


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that dies leaves to the system what it wrote: only a dying machine needs fsync."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
