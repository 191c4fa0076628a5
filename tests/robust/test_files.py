"""Files on a disk where anything can go wrong: nobody's work is lost, all or nothing is written."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from disk import (
    MINE,
    NEW,
    OLD,
    Calls,
    _quick,  # noqa: F401
    names,
    put,
    sample,
    standing,
    tree,
    whole,
    without,
)

from archspec.errors import ArchspecError
from archspec.output import journal
from archspec.output.difference import compare
from archspec.output.journal import JOURNAL, Journal
from archspec.output.package import write_package

HOW_MUCH = [pytest.param(16, id="some"), pytest.param(10**9, id="all", marks=pytest.mark.slow)]
SYSTEMS = {"exchange": (), "links": ("exchange",)}
EDIT = b"layers = 2  # mine\n"


def in_place(path: Path) -> None:
    path.write_bytes(EDIT)


def by_renaming(path: Path) -> None:
    beside = path.with_name(f"#{path.name}#")
    beside.write_bytes(EDIT)
    beside.replace(path)


def points(tmp_path: Path, most: int, moves: bool = False) -> list[int]:
    """Calls of a build: some, and with `moves` all before which a file changes its name."""
    here = standing(tmp_path / "count", OLD)
    found = names(lambda: write_package(NEW, here))
    moving = [at for at, name in enumerate(found) if name in ("exchange", "rename", "link")]
    return sorted({*sample(len(found), most), *(moving if moves else [])})


@pytest.mark.parametrize("most", HOW_MUCH)
@pytest.mark.parametrize("file", ["model.py", "kernels/one.py", "gone/last.py", "__init__.py"])
@pytest.mark.parametrize(
    ("save", "system"), [(in_place, "exchange"), (by_renaming, "exchange"), (in_place, "links")]
)
def test_what_is_saved_while_a_build_runs_is_kept(
    save: Callable[[Path], None], system: str, file: str, most: int, tmp_path: Path
) -> None:
    refused = 0
    with without(*SYSTEMS[system]):
        for point in points(tmp_path, most, moves=True):
            here = standing(tmp_path / f"at_{point}", OLD)

            def saved(name: str, here: Path = here) -> None:
                # Where the build has removed the file already, this makes a new one.
                (here / file).parent.mkdir(exist_ok=True)
                save(here / file)

            with Calls(point, saved).on() as calls:
                try:
                    write_package(NEW, here)
                except ArchspecError as error:
                    assert file in str(error)
                    refused += 1
            if not calls.happened:
                continue
            assert (here / file).read_bytes() == EDIT
            others = {path: raw for path, raw in tree(here).items() if path != file}
            wanted = {**MINE, **whole(OLD)}, {**MINE, **whole(NEW)}
            assert others in [{p: r for p, r in files.items() if p != file} for files in wanted]
    assert refused


@pytest.mark.parametrize("most", HOW_MUCH)
def test_a_new_file_of_the_user_is_never_replaced(most: int, tmp_path: Path) -> None:
    for point in points(tmp_path, most):
        here = standing(tmp_path / f"at_{point}", OLD)
        with Calls(point, lambda name: by_renaming(here / "step.py")).on() as calls:  # noqa: B023
            try:
                write_package(NEW, here)
            except ArchspecError as error:
                assert "step.py" in str(error)
        assert not calls.happened or (here / "step.py").read_bytes() == EDIT


@pytest.mark.parametrize("most", HOW_MUCH)
@pytest.mark.parametrize(
    "error", [OSError(28, "No space left on device"), OSError(5, "Input/output error")]
)
@pytest.mark.parametrize("lasting", [False, True], ids=["once", "from then on"])
@pytest.mark.parametrize("before", [True, False], ids=["over a package", "anew"])
def test_an_error_leaves_what_was_there(
    before: bool, lasting: bool, error: OSError, most: int, tmp_path: Path
) -> None:
    """Or, if even to put it back fails, something that the next build completes."""
    mine = MINE if before else {}
    for point in points(tmp_path, most):
        here = standing(tmp_path / f"at_{point}", OLD if before else None)
        old = tree(here)

        def fail(name: str) -> None:
            raise type(error)(error.errno, error.strerror)

        calls = Calls(point, fail)
        if lasting:
            calls.tell = after(calls, point, fail)  # type: ignore[method-assign]
        with calls.on():
            try:
                write_package(NEW, here)
                after_all = True
            except ArchspecError as refused:
                said, after_all = str(refused), False
                assert error.strerror and error.strerror.lower() in said
        assert after_all or (here / JOURNAL).exists() == ("build again" in said)
        if not (here / JOURNAL).exists():
            assert tree(here) == ({**mine, **whole(NEW)} if after_all else old)
        write_package(NEW, here)
        assert tree(here) == {**mine, **whole(NEW)}


def after(calls: Calls, point: int, fail: Callable[[str], None]) -> Callable[[str], None]:
    """Everything that changes the disk fails from the call `point` on."""
    writing = {"write", "half a write", "fsync", "rename", "replace", "link", "mkdir", "exchange"}

    def tell(name: str) -> None:
        calls.count += 1
        if calls.count > point and name in writing:
            fail(name)

    return tell


@pytest.mark.parametrize("most", HOW_MUCH)
def test_an_interruption_leaves_what_was_there(most: int, tmp_path: Path) -> None:
    def interrupt(name: str) -> None:
        raise KeyboardInterrupt

    for point in points(tmp_path, most):
        here = standing(tmp_path / f"at_{point}", OLD)
        with Calls(point, interrupt).on() as calls, suppress(KeyboardInterrupt):
            write_package(NEW, here)
            assert not calls.happened
        if not (here / JOURNAL).exists():
            assert tree(here) in ({**MINE, **whole(OLD)}, {**MINE, **whole(NEW)})
        write_package(NEW, here)
        assert tree(here) == {**MINE, **whole(NEW)}


@pytest.mark.parametrize(
    ("code", "reason"), [(16, "Device or resource busy"), (18, "Invalid cross-device link")]
)
@pytest.mark.parametrize("file", ["model.py", "gone/last.py", "__init__.py"])
def test_a_file_that_cannot_be_moved_is_named(
    file: str, code: int, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one that is mounted into the folder, on a system that cannot swap two names either."""
    here = standing(tmp_path / "package", OLD)
    before = tree(here)
    for name in ("rename", "replace"):
        real = getattr(os, name)

        def move(one: str, other: str, real: Callable[..., None] = real) -> None:
            if here / file in (Path(one), Path(other)):
                raise OSError(code, reason, one, None, other)
            real(one, other)

        monkeypatch.setattr(os, name, move)
    with without("exchange"), pytest.raises(ArchspecError) as error:
        write_package(NEW, here)
    assert str(error.value) == f"{here / file}: cannot be written: {reason.lower()}"
    assert tree(here) == before


def test_a_file_of_the_same_size_gets_another_second(tmp_path: Path) -> None:
    """Python would take what it compiled of the old file for the new one's."""
    here = standing(tmp_path / "package", OLD)
    for number in range(3, 9):
        before = (here / "model.py").stat()
        write_package({**OLD, "model.py": f"layers = {number}\n"}, here)
        after = (here / "model.py").stat()
        assert after.st_size == before.st_size
        assert int(after.st_mtime) != int(before.st_mtime)


def test_who_comes_second_waits_and_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = standing(tmp_path / "package", OLD)
    monkeypatch.setattr(journal, "PATIENCE", 0.1)
    held = Journal(here)
    with pytest.raises(ArchspecError, match="another archspec is writing there"):
        write_package(NEW, here)
    held.close(True)
    write_package(NEW, here)
    assert tree(here) == {**MINE, **whole(NEW)}


def test_it_works_where_there_are_no_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import fcntl

    def refuse(descriptor: int, operation: int) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    here = standing(tmp_path / "package", OLD)
    write_package(NEW, here)
    assert tree(here) == {**MINE, **whole(NEW)}


@pytest.mark.parametrize(
    "text", ["", "{", "null\n", '{"written": {"../x": ["0"]}, "given_up": {}}\n']
)
def test_a_journal_that_archspec_did_not_write_is_no_leave(text: str, tmp_path: Path) -> None:
    """Nothing outside is touched, and what is not said in whole is not said at all."""
    put(tmp_path, {".x.archspec": b"outside", "x": b"outside", "package/thesis.tex": b"mine"})
    (tmp_path / "package" / JOURNAL).write_text(text)
    with pytest.raises(ArchspecError, match=r"did not write|cannot be read"):
        write_package(NEW, tmp_path / "package", force=True)
    assert (tmp_path / ".x.archspec").exists()
    assert (tmp_path / "package/thesis.tex").read_bytes() == b"mine"


def test_a_link_to_elsewhere_is_no_journal(tmp_path: Path) -> None:
    put(tmp_path, {"outside": b"mine"})
    here = standing(tmp_path / "package", OLD)
    (here / JOURNAL).symlink_to(tmp_path / "outside")
    with pytest.raises(ArchspecError, match=r"archspec\.writing: cannot be written"):
        write_package(NEW, here)
    assert (tmp_path / "outside").read_bytes() == b"mine"


def test_compare_knows_what_a_killed_build_wrote(tmp_path: Path) -> None:
    here = standing(tmp_path / "package", OLD)
    held = Journal(here)
    held.record({"step.py": {"0"}}, {})
    held.keep = True
    held.close(False)
    assert "step.py" not in compare(OLD, here)
    assert "+++ step.py" in compare(NEW, here)
