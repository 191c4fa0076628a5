"""Packages kept as product: a change in them is read in review. `make regen` writes them."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import ROOT

import archspec
from archspec.codegen import build

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
    kept = {p.name: p.read_text(encoding="utf-8") for p in folder(name).iterdir() if p.is_file()}
    assert sorted(files) == sorted(kept)
    for path in files:
        assert files[path] == kept[path], f"{path} differs; if it should, run `make regen`"


def regenerate() -> None:
    """Write the packages anew."""
    for name in NAMES:
        folder(name).mkdir(parents=True, exist_ok=True)
        for old in folder(name).glob("*"):
            if old.is_file():
                old.unlink()
        for path, text in rendered(name).items():
            (folder(name) / path).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    regenerate()
