"""What becomes of the products of experts on the GPUs that they are made for."""

from __future__ import annotations

import pytest
from conftest import ROOT

import archspec
from archspec.codegen import build
from archspec.kernels.compile import TARGETS, Compiled, compile_kernels

SPEC = (ROOT / "examples" / "sparse.yaml").read_text(encoding="utf-8")


def compiled(target: str) -> dict[str, Compiled]:
    """The kernels of the experts, without the rest of their package."""
    files = build(archspec.loads(SPEC), SPEC, "sparse.yaml")
    found = compile_kernels(files, "experts", target, lambda one: one.name.startswith("experts"))
    return {kernel.name: kernel for kernel in found}


@pytest.mark.parametrize("target", ["sm_90", "gfx942"])
def test_products_fit_and_use_matrix_instructions(target: str) -> None:
    found = compiled(target)
    assert len(found) == 10
    for name, kernel in found.items():
        assert kernel.error is None
        assert kernel.spills == 0
        assert kernel.matrix or name.endswith("_16")
        assert kernel.shared_memory is not None
        assert kernel.shared_memory <= TARGETS[target].shared_memory
        if target == "sm_90":
            assert kernel.async_copies
            assert kernel.wgmma or name.endswith("_16"), "16 rows are too few for a warpgroup"
