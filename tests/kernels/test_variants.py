"""The files of kernels of every spec agree with one another: what one names, another has."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import ROOT

import archspec
from archspec.codegen import build, package_name
from archspec.kernels import compile_kernels

SPECS = [*sorted((ROOT / "examples").glob("*.yaml")), *sorted((ROOT / "gallery").glob("*.yaml"))]


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_they_list_their_kernels(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    architecture = archspec.loads(text, path.name)
    names: list[str] = []

    def none(variant: object) -> bool:
        names.append(variant.name)  # type: ignore[attr-defined]
        return False

    files = build(architecture, text, path.name)
    compile_kernels(files, package_name(architecture.name), "sm_90", none)
    assert len(names) == len(set(names))
    assert bool(names) == any(path.endswith("_kernels.py") for path in files)
