"""Writing a package: all or nothing, and never over somebody's work."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from archspec.errors import ArchspecError
from archspec.output.difference import compare
from archspec.output.file import write_file
from archspec.output.lock import LOCK, digest, manifest
from archspec.output.package import write_package

FILES = {"__init__.py": "a = 1\n", "kernels/one.py": "b = 2\n", "figure.png": b"\x89PNG"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    target = tmp_path / "package"
    write_package(FILES, target)
    return target


def tree(directory: Path) -> dict[str, bytes]:
    return {
        path.relative_to(directory).as_posix(): path.read_bytes()
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }


def test_a_new_folder_holds_the_files_and_their_hashes(folder: Path) -> None:
    lock = json.loads((folder / LOCK).read_text())
    assert set(tree(folder)) == {*FILES, LOCK}
    assert set(lock["files"]) == set(FILES)
    assert (folder / "figure.png").read_bytes() == b"\x89PNG"


def test_nothing_else_is_left_beside_it(folder: Path) -> None:
    write_package({**FILES, "new.py": ""}, folder)
    assert [path.name for path in folder.parent.iterdir()] == ["package"]


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    write_package(FILES, tmp_path)
    assert (tmp_path / "__init__.py").exists()


def test_writing_the_same_again_touches_nothing(folder: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in [folder, *folder.rglob("*")]}
    assert write_package(FILES, folder) == []
    assert {path: path.stat().st_mtime_ns for path in [folder, *folder.rglob("*")]} == before


def test_unchanged_files_keep_their_time(folder: Path) -> None:
    before = (folder / "kernels/one.py").stat().st_mtime_ns
    assert write_package({**FILES, "__init__.py": "a = 2\n"}, folder) == ["__init__.py", LOCK]
    assert (folder / "kernels/one.py").stat().st_mtime_ns == before


def test_a_deleted_file_comes_back(folder: Path) -> None:
    (folder / "kernels/one.py").unlink()
    assert write_package(FILES, folder) == ["kernels/one.py"]


def test_a_folder_of_somebody_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(ArchspecError, match="did not write"):
        write_package(FILES, tmp_path, force=True)
    assert tree(tmp_path) == {"thesis.tex": b"x"}


def test_an_edited_file_is_named_and_kept(folder: Path) -> None:
    (folder / "__init__.py").write_text("mine\n")
    before = tree(folder)
    with pytest.raises(ArchspecError, match=r"edited by hand[^$]*__init__\.py"):
        write_package({**FILES, "__init__.py": "a = 2\n", "kernels/one.py": "b = 3\n"}, folder)
    assert tree(folder) == before


def test_an_edited_file_is_refused_even_if_its_new_text_did_not_change(folder: Path) -> None:
    (folder / "__init__.py").write_text("mine\n")
    with pytest.raises(ArchspecError):
        write_package(FILES, folder)


def test_force_writes_over_an_edited_file(folder: Path) -> None:
    (folder / "__init__.py").write_text("mine\n")
    write_package(FILES, folder, force=True)
    assert (folder / "__init__.py").read_text() == "a = 1\n"


def test_an_edit_that_says_what_would_be_written_is_fine(folder: Path) -> None:
    (folder / "__init__.py").write_text("a = 2\n")
    write_package({**FILES, "__init__.py": "a = 2\n"}, folder)


def test_files_of_the_user_stay(folder: Path) -> None:
    (folder / "weights").mkdir()
    (folder / "weights/model.safetensors").write_bytes(b"w")
    (folder / "kernels/mine.py").write_text("c")
    (folder / "link").symlink_to("weights")
    write_package({**FILES, "__init__.py": "a = 2\n"}, folder)
    assert (folder / "weights/model.safetensors").read_bytes() == b"w"
    assert (folder / "kernels/mine.py").read_text() == "c"
    assert (folder / "link").readlink() == Path("weights")


def test_a_file_of_the_user_in_the_way_is_named(folder: Path) -> None:
    (folder / "new.py").write_text("mine")
    with pytest.raises(ArchspecError, match=r"new\.py"):
        write_package({**FILES, "new.py": ""}, folder)


def test_a_folder_in_the_way_is_never_replaced(folder: Path) -> None:
    (folder / "new.py").mkdir()
    with pytest.raises(ArchspecError, match="a folder where a file belongs"):
        write_package({**FILES, "new.py": ""}, folder, force=True)


def test_files_no_longer_made_go(folder: Path) -> None:
    files = {"__init__.py": FILES["__init__.py"]}
    assert write_package(files, folder) == [LOCK, "figure.png", "kernels/one.py"]
    assert set(tree(folder)) == {"__init__.py", LOCK}
    assert not (folder / "kernels").exists()


def test_files_no_longer_made_stay_if_edited(folder: Path) -> None:
    (folder / "kernels/one.py").write_text("mine")
    write_package({"__init__.py": "a = 1\n"}, folder)
    assert (folder / "kernels/one.py").read_text() == "mine"


@pytest.mark.parametrize(
    "path",
    ["../x", "/etc/x", "a/../../x", "a//b", "./a", "", "a/", "a\\b", "a\nb", "C:x", "a/./b", ".."],
)
def test_paths_that_could_leave_the_folder_are_refused(path: str, tmp_path: Path) -> None:
    with pytest.raises(ArchspecError, match="stay inside"):
        write_package({path: "x"}, tmp_path / "package")
    assert list(tmp_path.iterdir()) == []


def test_a_link_in_place_of_a_file_is_not_followed(folder: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside.py"
    outside.write_text("a = 1\n")
    (folder / "__init__.py").unlink()
    (folder / "__init__.py").symlink_to(outside)
    with pytest.raises(ArchspecError, match="edited by hand"):
        write_package({**FILES, "__init__.py": "a = 2\n"}, folder)
    write_package({**FILES, "__init__.py": "a = 2\n"}, folder, force=True)
    assert outside.read_text() == "a = 1\n"
    assert not (folder / "__init__.py").is_symlink()


def test_a_link_in_place_of_a_subfolder_is_not_followed(folder: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "one.py").write_text("b = 2\n")
    (folder / "kernels/one.py").unlink()
    (folder / "kernels").rmdir()
    (folder / "kernels").symlink_to(outside)
    write_package({**FILES, "kernels/one.py": "b = 3\n"}, folder, force=True)
    assert (outside / "one.py").read_text() == "b = 2\n"
    assert not (folder / "kernels").is_symlink()


def test_a_link_to_a_folder_is_refused(folder: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(folder)
    with pytest.raises(ArchspecError, match="symbolic link"):
        write_package(FILES, link)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"files": {"../x": "0"}}', '{"files": 1}', "[" * 100_000]
)
def test_a_lock_that_cannot_be_read_is_refused(text: str, folder: Path) -> None:
    (folder / LOCK).write_text(text)
    with pytest.raises(ArchspecError, match="cannot be read"):
        write_package(FILES, folder, force=True)


def test_a_parent_that_does_not_exist_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ArchspecError, match="does not exist"):
        write_package(FILES, tmp_path / "no" / "package")


def test_the_current_folder_can_be_written(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    write_package({**FILES, "__init__.py": "a = 2\n"}, Path())
    assert Path("__init__.py").read_text() == "a = 2\n"


def test_a_name_that_is_needed_and_taken_is_named(folder: Path) -> None:
    (folder / ".__init__.py.archspec").write_text("mine")
    before = tree(folder)
    with pytest.raises(ArchspecError, match=r"\.__init__\.py\.archspec: .*in the way"):
        write_package({**FILES, "__init__.py": "a = 2\n"}, folder)
    assert tree(folder) == before


def test_the_mode_of_the_folder_stays(folder: Path) -> None:
    folder.chmod(0o750)
    write_package({**FILES, "__init__.py": "a = 2\n"}, folder)
    assert folder.stat().st_mode & 0o777 == 0o750


def test_the_mode_of_a_file_stays(folder: Path) -> None:
    (folder / "__init__.py").chmod(0o640)
    write_package({**FILES, "__init__.py": "a = 2\n"}, folder)
    assert (folder / "__init__.py").stat().st_mode & 0o777 == 0o640


def test_compare_is_empty_where_they_agree(folder: Path) -> None:
    assert compare(FILES, folder) == ""


def test_compare_shows_what_would_change(folder: Path) -> None:
    text = compare({"__init__.py": "a = 2\n", "kernels/one.py": "b = 2\n"}, folder)
    assert "-a = 1\n+a = 2\n" in text
    assert "figure.png: differs" in text
    assert "kernels" not in text


def test_compare_with_nothing_shows_every_file(tmp_path: Path) -> None:
    assert (
        compare({"a.py": "x\n"}, tmp_path / "none")
        == "--- /dev/null\n+++ a.py\n@@ -0,0 +1 @@\n+x\n"
    )


def test_the_manifest_carries_facts_and_sorted_hashes() -> None:
    data = json.loads(manifest({"b": "x", "a": b"x"}, version="1"))
    assert list(data) == ["version", "files"]
    assert list(data["files"]) == ["a", "b"]
    assert data["files"]["a"] == data["files"]["b"] == digest("x")


def test_a_file_replaces_the_old_one_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    write_file(path, "one")
    write_file(path, b"two", force=True)
    assert path.read_text() == "two"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_needs_its_folder(tmp_path: Path) -> None:
    with pytest.raises(ArchspecError, match="does not exist"):
        write_file(tmp_path / "no" / "a.yaml", "x")


def test_a_folder_is_not_a_file(tmp_path: Path) -> None:
    with pytest.raises(ArchspecError, match="a folder, not a file"):
        write_file(tmp_path, "x")


def test_a_device_is_written_to_and_not_replaced() -> None:
    write_file(Path(os.devnull), "x")
    assert Path(os.devnull).is_char_device()
