"""What test_mounts.py runs where it may mount: python mounted.py CASE FOLDER."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from disk import MINE, NEW, OLD, OTHER, put, standing, tree, whole

from archspec.errors import ArchspecError
from archspec.output.journal import JOURNAL
from archspec.output.package import write_package

FULL = {**NEW, "model.py": "layers = 3\n" * 2000, "experts/two.py": "e = 2\n" * 3000}


def mount(*arguments: str | Path) -> None:
    subprocess.run(["mount", *map(str, arguments)], check=True)


def tmpfs(folder: Path, *options: str) -> Path:
    folder.mkdir(exist_ok=True)
    mount("-t", "tmpfs", *options, "none", folder)
    return folder


def a_volume_inside_keeps_what_is_on_it(folder: Path) -> None:
    here = standing(folder / "package", OLD)
    put(tmpfs(here / "checkpoints"), {"step_1.safetensors": b"1" * 1000})
    for package in (NEW, OTHER, OLD):
        write_package(package, here)
        assert (here / "checkpoints").is_mount()
        mine = {**MINE, "checkpoints/step_1.safetensors": b"1" * 1000}
        assert tree(here) == {**mine, **whole(package)}


def a_mounted_folder_is_written_and_emptied(folder: Path) -> None:
    """The package's own kernels/ is a volume: its files change, and it stays when they go."""
    here = standing(folder / "package", {"__init__.py": ""}, mine=False)
    tmpfs(here / "kernels")
    for package in (OLD, NEW, {"__init__.py": ""}):
        write_package(package, here)
        assert tree(here) == whole(package) and (here / "kernels").is_mount()


def the_folder_itself_may_be_a_volume(folder: Path) -> None:
    here = tmpfs(folder / "package")
    write_package(OLD, here)
    put(here, MINE)
    write_package(NEW, here)
    assert here.is_mount() and tree(here) == {**MINE, **whole(NEW)}


def a_mounted_file_is_named(folder: Path) -> None:
    here = standing(folder / "package", OLD)
    for file in ("model.py", "gone/last.py"):
        (folder / "file").write_bytes((here / file).read_bytes())
        mount("--bind", folder / "file", here / file)
        before = tree(here)
        try:
            write_package(NEW, here)
        except ArchspecError as error:
            assert str(error) == f"{here / file}: cannot be written: device or resource busy"
        else:
            raise AssertionError(f"{file} was replaced")
        assert tree(here) == before
        subprocess.run(["umount", here / file], check=True)
    write_package(NEW, here)
    assert tree(here) == {**MINE, **whole(NEW)}


def what_is_read_only_stays(folder: Path) -> None:
    volume = tmpfs(folder / "volume")
    here = standing(volume / "package", OLD)
    before = tree(here)
    mount("-o", "remount,ro", volume)
    assert write_package(OLD, here) == []
    for target in (here, volume / "new"):
        try:
            write_package(NEW, target)
        except ArchspecError as error:
            assert "cannot be written: read-only file system" in str(error)
        else:
            raise AssertionError("it was written")
    assert tree(here) == before


def a_full_disk_leaves_what_was_there(folder: Path) -> None:
    """With every number of free pages, and of free files."""
    written = 0
    for pages in range(40):
        written += _squeezed(folder / "pages", pages, f"size={(pages + 14) * 4096}")
    for files in range(32):
        written += _squeezed(folder / "files", files, f"size=1m,nr_inodes={files + 14}")
    assert 4 < written < 68


def _squeezed(volume: Path, free: int, size: str) -> bool:
    here = tmpfs(volume, "-o", size) / "package"
    try:
        standing(here, OLD, mine=False)
        before = tree(here)
        try:
            write_package(FULL, here)
        except ArchspecError as error:
            assert "no space left on device" in str(error), error
            assert tree(here) == before, (free, sorted(tree(here)))
            mount("-o", "remount,size=4m,nr_inodes=1000", volume)
            write_package(FULL, here)
            return False
        else:
            return True
        finally:
            assert tree(here) in (before, whole(FULL)), free
            assert not (here / JOURNAL).exists()
    finally:
        subprocess.run(["umount", volume], check=True)


CASES = (
    a_volume_inside_keeps_what_is_on_it,
    a_mounted_folder_is_written_and_emptied,
    the_folder_itself_may_be_a_volume,
    a_mounted_file_is_named,
    what_is_read_only_stays,
    a_full_disk_leaves_what_was_there,
)

if __name__ == "__main__":
    {case.__name__: case for case in CASES}[sys.argv[1]](Path(sys.argv[2]))
