"""Packages kept as product: a change in them is read in review. `make regen` writes them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from conftest import ROOT

import archspec
from archspec.codegen import build
from archspec.output.place import put_files

GOLDEN = ROOT / "tests/golden"
NAMES = (
    "local-global",
    "sparse",
    "encoder",
    "parallel",
    "chunked",
    "block-sparse",
    "hybrid",
    "layer-vectors",
)


def rendered(name: str) -> dict[str, str]:
    text = (ROOT / f"examples/{name}.yaml").read_text(encoding="utf-8")
    return build(archspec.loads(text), text, f"{name}.yaml")


def folder(name: str) -> Path:
    return GOLDEN / name.replace("-", "_")


@pytest.mark.parametrize("name", NAMES)
def test_package_is_the_reviewed_one(name: str) -> None:
    files = rendered(name)
    kept = {
        p.relative_to(folder(name)).as_posix(): p.read_text(encoding="utf-8")
        for p in folder(name).rglob("*")
        if p.is_file() and "__pycache__" not in p.parts
    }
    assert sorted(files) == sorted(kept)
    for path in files:
        assert files[path] == kept[path], f"{path} differs; if it should, run `make regen`"


def regenerate() -> None:
    """Write the packages anew."""
    for name in NAMES:
        shutil.rmtree(folder(name), ignore_errors=True)
        put_files(rendered(name), folder(name))


if __name__ == "__main__":
    regenerate()
