"""The table of compiled kernels: what is in it keeps the bars, and it is what is compiled now."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import triton
from conftest import ROOT
from kernels.exceptions import EXCEPTIONS, KINDS
from kernels.table import SPECS, TABLE, Kept, kernels_of, table, written

from archspec.kernels import TARGETS

Row = dict[str, Any]
WRITTEN = json.loads(TABLE.read_text(encoding="utf-8"))
KERNELS: dict[str, Row] = WRITTEN["kernels"]
SAMPLE = {
    "llama-3-8b": ("causal_forward", "causal_backward_keys", "causal_decode", "norm_forward_4096"),
    "gpt-oss-20b": ("sliding_sink_forward",),
}

same_compiler = pytest.mark.skipif(
    triton.__version__ != WRITTEN["triton"],
    reason=f"the table is of Triton {WRITTEN['triton']}, which is not installed",
)


def faults(row: Row) -> set[tuple[str, str]]:
    """Each target and what is wrong there, by the names in `KINDS`."""
    found: set[tuple[str, str]] = set()
    for name, target in TARGETS.items():
        if name not in row or "error" in row[name]:
            found.add((name, "no binary"))
            continue
        if row[name]["shared_memory"] > target.shared_memory:
            found.add((name, "shared memory"))
    hopper = row.get("sm_90", {})
    if hopper.get("spills"):
        found.add(("sm_90", "spills"))
    if hopper.get("plain_products"):
        found.add(("sm_90", "no wgmma"))
    multiplies = row.get("sm_80", {}).get("matrix") or hopper.get("wgmma")
    if multiplies and hopper.get("async_copies") == 0:
        found.add(("sm_90", "no copies"))
    return found


def excepted(name: str, target: str, kind: str) -> bool:
    """Whether an exception names this fault."""
    return any(
        exception.kind == kind
        and target in exception.targets
        and re.fullmatch(exception.kernel, name)
        for exception in EXCEPTIONS
    )


def test_every_kernel_keeps_the_bars_but_for_known_exceptions() -> None:
    new = [
        f"{name} on {target}: {kind}"
        for name, row in KERNELS.items()
        for target, kind in sorted(faults(row))
        if not excepted(name, target, kind)
    ]
    assert not new, "\n".join(new)


def test_every_exception_is_still_needed() -> None:
    for exception in EXCEPTIONS:
        assert exception.kind in KINDS
        assert exception.reason
        used = {
            target
            for name, row in KERNELS.items()
            for target, kind in faults(row)
            if kind == exception.kind and re.fullmatch(exception.kernel, name)
        }
        assert set(exception.targets) <= used, exception


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
