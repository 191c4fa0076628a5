"""A build that is killed: whatever the moment, the next one completes the folder."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
from disk import (
    MINE,
    NEW,
    OLD,
    OTHER,
    Package,
    _quick,  # noqa: F401
    killed,
    put,
    sample,
    seen,
    standing,
    total,
    tree,
    whole,
    without,
)

from archspec.errors import ArchspecError
from archspec.output.difference import compare
from archspec.output.lock import LOCK
from archspec.output.package import write_package

SYSTEMS = {"exchange": (), "links": ("exchange",), "neither": ("exchange", "link")}
BEFORE: dict[str, Package | None] = {"nothing": None, "a package": OLD}
HOW_MUCH = [pytest.param(14, id="some"), pytest.param(10**9, id="all", marks=pytest.mark.slow)]


def at_each_point(
    folder: Path, prepare: Callable[[Path], None], work: Callable[[Path], None], most: int
) -> list[Path]:
    """A folder for every point at which `work` was killed."""
    prepare(folder / "count")
    points = sample(total(lambda: work(folder / "count")), most)
    made: list[Path] = []
    for point in points:
        here = folder / f"at_{point}"
        prepare(here)
        if killed(lambda: work(here), point):  # noqa: B023
            made.append(here)
    # How many calls there are depends on the second in which a file was written.
    assert len(made) >= 0.9 * len(points)
    return made


def no_half_file(folder: Path, *packages: Package) -> None:
    """Every file is one of the packages' or the user's, and whole; a new list is the last."""
    good = [MINE, *(whole(package) for package in packages)]
    now = seen(folder)
    for path, raw in now.items():
        assert any(files.get(path) == raw for files in good), path
    made = {path: raw for path, raw in now.items() if path not in MINE}
    if LOCK not in made and "__init__.py" in made:
        made[LOCK] = whole(NEW)[LOCK]
    if made.get(LOCK) == whole(NEW)[LOCK]:
        assert made == whole(NEW)


@pytest.mark.parametrize("most", HOW_MUCH)
@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("before", BEFORE)
def test_the_next_build_completes_what_a_killed_one_began(
    before: str, system: str, most: int, tmp_path: Path
) -> None:
    with without(*SYSTEMS[system]):
        found = at_each_point(
            tmp_path,
            lambda here: standing(here, BEFORE[before]) and None,
            lambda here: write_package(NEW, here) and None,
            most,
        )
        mine = MINE if BEFORE[before] else {}
        for here in found:
            no_half_file(here, OLD, NEW)
            assert {path: seen(here).get(path) for path in mine} == mine
            for package in (NEW, OTHER, OLD):
                again = here.with_name(f"{here.name}_again")
                shutil.copytree(here, again) if here.exists() else None
                compare(package, again)
                write_package(package, again)
                assert tree(again) == {**mine, **whole(package)}
                shutil.rmtree(again)


@pytest.mark.parametrize("most", HOW_MUCH)
def test_builds_killed_one_after_another_lose_nothing(most: int, tmp_path: Path) -> None:
    def prepare(here: Path) -> None:
        standing(here, OLD)
        killed(lambda: write_package(NEW, here), total_new * 2 // 3)

    standing(tmp_path / "first", OLD)
    total_new = total(lambda: write_package(NEW, tmp_path / "first"))
    work: Callable[[Path], None] = lambda here: write_package(OTHER, here) and None  # noqa: E731
    for here in at_each_point(tmp_path, prepare, work, most):
        no_half_file(here, OLD, NEW, OTHER)
        write_package(OLD, here)
        assert tree(here) == {**MINE, **whole(OLD)}


@pytest.mark.parametrize("most", HOW_MUCH)
def test_what_is_edited_after_a_kill_is_still_seen(most: int, tmp_path: Path) -> None:
    found = at_each_point(
        tmp_path,
        lambda here: standing(here, OLD) and None,
        lambda here: write_package(NEW, here) and None,
        most,
    )
    for here in found:
        put(here, {"model.py": b"mine"})
        before = seen(here)
        with pytest.raises(ArchspecError, match=r"edited by hand[^$]*:\n  model\.py\n  help"):
            write_package(NEW, here)
        assert seen(here) == before
        with pytest.raises(ArchspecError, match=r"edited by hand[^$]*:\n  model\.py\n  help"):
            write_package(OLD, here)
        write_package(NEW, here, force=True)
        assert tree(here) == {**MINE, **whole(NEW)}


@pytest.mark.parametrize("most", HOW_MUCH)
def test_a_forced_build_that_is_killed_can_be_forced_again(most: int, tmp_path: Path) -> None:
    def prepare(here: Path) -> None:
        standing(here, OLD)
        put(here, {"model.py": b"mine", "gone/last.py": b"kept"})
        (here / "kernels/one.py").unlink()
        shutil.rmtree(here / "kernels")
        (here / "kernels").write_bytes(b"a file")

    mine = {path: raw for path, raw in MINE.items() if "kernels" not in path}
    mine["gone/last.py"] = b"kept"
    work: Callable[[Path], None] = lambda here: write_package(NEW, here, True) and None  # noqa: E731
    for here in at_each_point(tmp_path, prepare, work, most):
        assert seen(here).get("model.py") in (b"mine", whole(NEW)["model.py"])
        write_package(NEW, here, force=True)
        assert tree(here) == {**mine, **whole(NEW)}


@pytest.mark.parametrize("most", HOW_MUCH)
@pytest.mark.parametrize("system", ["exchange", "links"])
def test_what_is_saved_just_before_a_kill_is_kept(system: str, most: int, tmp_path: Path) -> None:
    """Even where the file was taken out of its place by then, and nobody had looked at it yet."""

    def build(here: Path) -> None:
        with suppress(ArchspecError):
            write_package(NEW, here)

    with without(*SYSTEMS[system]):
        standing(tmp_path / "count", OLD)
        count = total(lambda: build(tmp_path / "count"))
        for point in sample(count - 10, most):
            here = standing(tmp_path / f"at_{point}", OLD)
            save = partial((here / "model.py").write_bytes, b"mine")
            killed(partial(build, here), point + 1 + point % 7, (point, save))
            build(here)
            assert (here / "model.py").read_bytes() == b"mine"


def test_a_refused_build_that_is_killed_changed_nothing(tmp_path: Path) -> None:
    def refused(here: Path) -> None:
        with pytest.raises(ArchspecError):
            write_package(NEW, here)

    def prepare(here: Path) -> None:
        standing(here, OLD)
        put(here, {"model.py": b"mine"})

    for here in at_each_point(tmp_path, prepare, refused, 20):
        assert seen(here) == {**MINE, **whole(OLD), "model.py": b"mine"}
        refused(here)
        assert tree(here) == seen(here)
