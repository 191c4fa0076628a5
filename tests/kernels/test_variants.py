"""The files of kernels of every spec agree with one another, and the table is of what they say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import triton
from conftest import ROOT
from kernels.table import TABLE, identity

import archspec
from archspec.codegen import ALL, build, package_name
from archspec.kernels.compile import compile_kernels

SPECS = [*sorted((ROOT / "examples").glob("*.yaml")), *sorted((ROOT / "gallery").glob("*.yaml"))]
WRITTEN: dict[str, Any] = json.loads(TABLE.read_text(encoding="utf-8"))
KEYS: dict[tuple[str, str], str] = {
    (spec, full.partition(" ")[2]): row["sm_90"].get("key", "")
    for full, row in WRITTEN["kernels"].items()
    for spec in (full.partition(" ")[0], *row["also"])
    if "sm_90" in row
}
"""What each kernel of a spec in the table was compiled from, for sm_90."""


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_they_list_their_kernels(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    architecture = archspec.loads(text, path.name)
    keys: list[tuple[str, str]] = []

    def none(variant: Any) -> bool:
        keys.append((variant.name, identity(variant)))
        return False

    files = build(architecture, text, path.name, extras=ALL)
    compile_kernels(files, package_name(architecture.name), "sm_90", none)
    assert len(keys) == len(dict(keys))
    assert bool(keys) == ("kernels/ahead.py" in files)
    if triton.__version__ == WRITTEN["triton"]:
        stale = [name for name, key in keys if KEYS.get((path.stem, name)) != key]
        assert not stale, "`make kernels-table` compiles these anew"
