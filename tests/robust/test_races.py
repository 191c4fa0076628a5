"""Builds of one folder at the same time: the folder is one of them, whole, and none goes wrong."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from random import Random

import pytest
from disk import (
    MINE,
    NEW,
    OLD,
    OTHER,
    Package,
    _quick,  # noqa: F401
    seen,
    standing,
    tree,
    whole,
)

from archspec.errors import ArchspecError
from archspec.language.starters import new
from archspec.output.journal import JOURNAL
from archspec.output.package import write_package

PACKAGES = (OLD, NEW, OTHER, NEW)
ROUNDS = [pytest.param(8, id="some"), pytest.param(200, id="many", marks=pytest.mark.slow)]


def at_once(folder: Path, packages: tuple[Package, ...]) -> list[int]:
    """The exit codes of processes that all start to write when the last of them is ready."""
    ready, go = os.pipe()
    children: list[int] = []
    for package in packages:
        child = os.fork()
        if child:
            children.append(child)
            continue
        code = 1
        try:
            os.close(go)
            os.read(ready, 1)
            write_package(package, folder)
            code = 0
        except ArchspecError as error:
            code = 2 if "another archspec is writing" in str(error) else 3
        finally:
            os._exit(code)
    os.close(ready)
    os.close(go)
    return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]


@pytest.mark.parametrize("rounds", ROUNDS)
@pytest.mark.parametrize("number", [2, 4])
@pytest.mark.parametrize("before", [None, OLD], ids=["anew", "over a package"])
def test_the_folder_is_one_of_them_whole(
    before: Package | None, number: int, rounds: int, tmp_path: Path
) -> None:
    mine = MINE if before else {}
    for count in range(rounds):
        here = standing(tmp_path / f"at_{count}", before)
        codes = at_once(here, PACKAGES[:number])
        assert set(codes) <= {0, 2} and 0 in codes
        assert tree(here) in [{**mine, **whole(package)} for package in PACKAGES[:number]]


def specs(folder: Path) -> list[Path]:
    made: list[Path] = []
    for kind in ("decoder", "moe"):
        path = folder / f"{kind}.yaml"
        path.write_text(new("mine", kind), encoding="utf-8")
        made.append(path)
    return made


def start(spec: Path, folder: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "archspec", "build", str(spec), "-o", str(folder)]
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )


def room(folder: Path) -> Path:
    """A package's folder in `folder`, of one name in all: a package says its own."""
    folder.mkdir()
    return folder / "made"


def built(folder: Path, spec: Path) -> dict[str, bytes]:
    process = start(spec, folder)
    assert process.communicate()[1] == "" and process.returncode == 0
    return tree(folder)


@pytest.mark.parametrize("rounds", [1, pytest.param(15, marks=pytest.mark.slow)])
def test_commands_at_once(rounds: int, tmp_path: Path) -> None:
    paths = specs(tmp_path)
    good = [built(room(tmp_path / f"one_{path.stem}"), path) for path in paths]
    for count in range(rounds):
        here = room(tmp_path / f"both_{count}")
        running = [start(path, here) for path in (paths if rounds == 1 else paths * 2)]
        for process in running:
            said = process.communicate()[1]
            assert process.returncode == 0 or "another archspec is writing" in said
        assert tree(here) in good


@pytest.mark.slow
def test_sixty_builds_are_killed_at_any_time(tmp_path: Path) -> None:
    """Two in three of them while they write: the folder's journal is there."""
    paths, random = specs(tmp_path), Random(1)
    good = [built(room(tmp_path / f"one_{path.stem}"), path) for path in paths]
    here = room(tmp_path / "killed")
    journal, caught = here / JOURNAL, 0
    for count in range(60):
        process = start(paths[count % 2], here)
        if count % 3:
            while process.poll() is None and not journal.exists():
                time.sleep(0.0005)
            time.sleep(random.uniform(0, 0.15))
        else:
            time.sleep(random.uniform(0, 2.5))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        caught += journal.exists()
        for path, raw in seen(here).items():
            assert raw in [files.get(path) for files in good] or path == "mine.txt", path
        if count % 5 == 4:
            (here / "mine.txt").write_text("mine")
            after = built(here, paths[count // 5 % 2])
            assert after == {**good[count // 5 % 2], "mine.txt": b"mine"}
    assert caught > 10
