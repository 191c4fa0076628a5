"""The table of compiled kernels: what is in it keeps the bars, and it is what is compiled now."""

from __future__ import annotations

import json
from typing import Any

import pytest
import triton
from conftest import ROOT
from kernels.exceptions import EXCEPTIONS, KINDS
from kernels.table import SPECS, TABLE, TARGETS, Kept, kernels_of, table, written

from archspec.kernels import compile as gpus

Row = dict[str, Any]
WRITTEN = json.loads(TABLE.read_text(encoding="utf-8"))
KERNELS: dict[str, Row] = WRITTEN["kernels"]
SAMPLE = {
    "qwen3-0.6b": ("causal_forward", "causal_backward_keys", "parts_16x128", "norm_forward_1024"),
    "olmo-3-32b": ("sliding_forward",),
}

same_compiler = pytest.mark.skipif(
    triton.__version__ != WRITTEN["triton"],
    reason=f"the table is of Triton {WRITTEN['triton']}, which is not installed",
)


MEASURED = ("sm_80", "sm_90")
"""Where the work of tensor cores is counted: elsewhere no single warp computes a product."""


def faults(kernel: str, row: Row) -> set[tuple[str, str]]:
    """Each target and what is wrong there, by the names in `KINDS`."""
    found: set[tuple[str, str]] = set()
    for name in ("sm_90",) if kernel.endswith("_hopper") else TARGETS:
        if name not in row or "error" in row[name]:
            found.add((name, "no binary"))
            continue
        if row[name]["shared_memory"] > gpus.TARGETS[name].shared_memory:
            found.add((name, "shared memory"))
        if name in MEASURED and row[name].get("tensor_work", 1.0) != 1.0:
            found.add((name, "tensor work"))
    hopper = row.get("sm_90", {})
    if hopper.get("spills"):
        found.add(("sm_90", "spills in a loop" if hopper.get("spills_in_loops") else "spills"))
    if hopper.get("plain_products"):
        found.add(("sm_90", "no wgmma"))
    multiplies = row.get("sm_80", {}).get("matrix") or hopper.get("wgmma")
    if multiplies and hopper.get("async_copies") == 0:
        found.add(("sm_90", "no copies"))
    return found


EXCEPTED = {(name, known.target, known.kind) for known in EXCEPTIONS for name in known.kernels}


def test_every_kernel_keeps_the_bars_but_for_known_exceptions() -> None:
    found = {(name, *fault) for name, row in KERNELS.items() for fault in faults(name, row)}
    assert not found - EXCEPTED, "new"
    assert not EXCEPTED - found, "no longer needed"
    assert {known.kind for known in EXCEPTIONS} <= set(KINDS)


def test_every_spec_is_in_the_table() -> None:
    seen = {name.split()[0] for name in KERNELS}
    seen |= {also for row in KERNELS.values() for also in row["also"]}
    assert seen == {path.stem for path in SPECS}


@same_compiler
@pytest.mark.parametrize("spec", SAMPLE)
def test_a_sample_is_what_is_compiled_now(spec: str) -> None:
    kept = Kept(None)
    path = ROOT / "gallery" / f"{spec}.yaml"
    keys = kernels_of(path, "sm_90", kept, lambda name: name in SAMPLE[spec])
    assert set(keys) == set(SAMPLE[spec])
    for name, key in keys.items():
        (known,) = [row for full, row in KERNELS.items() if _is(full, row, spec, name)]
        assert kept.rows[key] == known["sm_90"], f"{name}: `make kernels-table` writes it anew"


def _is(full: str, row: Row, spec: str, name: str) -> bool:
    """Whether a row is of a kernel of that name in that spec."""
    owner, _, kernel = full.partition(" ")
    return kernel == name and spec in (owner, *row["also"])


@pytest.mark.slow
@same_compiler
def test_the_table_is_what_is_compiled_now() -> None:
    assert written(table(Kept(None))) == TABLE.read_text(encoding="utf-8")
