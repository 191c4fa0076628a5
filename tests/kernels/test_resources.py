"""What attention's kernels take of each GPU, for every shape of head: compiled without one."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT

import archspec
from archspec import codegen
from archspec.kernels.compile import AHEAD, TARGETS, Compiled, compile_kernels

MODULES = ("attention", "decode", "paged")
SPEC = """
archspec: 1
name: heads
vocab_size: 64
hidden_size: 64
context_length: 8192
blocks:
  only:
    mixer: {{type: attention, heads: {heads}, kv_heads: 2, head_dim: {head_dim}, {more}}}
    feedforward: {{type: dense, intermediate_size: 64, activation: silu, gated: true}}
layers: only
head: {{tied: true}}
"""
GALLERY = sorted((ROOT / "gallery").glob("*.yaml"))
WIDTHS = ("64", "80", "96", "128", "192, value_head_dim: 128", "256")
BLOCKS = "block_sparse: {size: 64, local: 16, stride: 8, first: 1, shifted: true}"
MORE = (
    *("", "window: 1024", "window: 64, sinks: true", "chunk: 1024", "softcap: 30", "alibi: true"),
    BLOCKS,
)


def compiled(target: str, head_dim: str, more: str = "", heads: int = 8) -> list[Compiled]:
    """The kernels of one shape of attention."""
    more = more or "causal: true"
    return attention(SPEC.format(heads=heads, head_dim=head_dim, more=more), target)


WHOLE = "tiled(kernel, tiles, bounds_ptr=None)"
PACKED = {WHOLE: "tiled(kernel, tiles)"}
"""How the list of kernels changes into those that are told of texts in a row."""

WIDE = {WHOLE: "tiled(kernel, attention.SMALL, bounds_ptr=None)", '"bf16"': '"fp32"'}
"""How it changes into those for float32."""


def attention(text: str, target: str, changes: Mapping[str, str] | None = None) -> list[Compiled]:
    """The kernels of attention of a spec; of whole texts alone, after `changes` to their list."""
    files = codegen.build(archspec.loads(text), text, "spec.yaml", extras=("paged",))
    for listed, wanted in (changes or {}).items():
        assert listed in files[AHEAD]
        files[AHEAD] = files[AHEAD].replace(listed, wanted)
    modules = MODULES[:1] if changes else MODULES
    return compile_kernels(files, "built", target, lambda one: module(one) in modules)


def module(variant: Any) -> str:
    """The file of a kernel."""
    return variant.kernel.fn.__module__.rpartition(".")[2]


WIDEST = 512
"""Bytes that gradients of queries and keys may spill at a width of 512, which nothing else has."""

ONCE = 32
"""Bytes that a program may spill outside of its loops, once."""


def check(found: list[Compiled], head_dim: int = 0, loops: int = 0) -> None:
    """Each fits; on sm_90 no loop spills but for so many instructions, and products are the chip's.

    Where the work of tensor cores can be counted, no warp repeats what another computes.
    """
    for kernel in found:
        assert kernel.error is None, kernel
        assert kernel.ok, kernel
        if kernel.target in ("sm_80", "sm_90"):
            assert kernel.tensor_work in (None, 1.0), kernel
        if kernel.target != "sm_90":
            continue
        wide = head_dim == 512 and kernel.name.endswith(("backward_queries", "backward_keys"))
        assert (kernel.spills or 0) <= (WIDEST if wide else ONCE), kernel
        assert wide or (kernel.spills_in_loops or 0) <= loops, kernel
        if kernel.name.startswith("combine"):
            continue
        assert kernel.async_copies, kernel
        # The heads of a group are fewer rows than a warpgroup multiplies.
        assert kernel.wgmma or kernel.name.startswith("parts"), kernel


@pytest.mark.parametrize("head_dim", ["64", "128"])
def test_nothing_spills(head_dim: str) -> None:
    check(compiled("sm_90", head_dim))


@pytest.mark.parametrize("more", ["causal: true", "window: 1024", "chunk: 1024"])
def test_next_to_nothing_spills_where_texts_are_packed(more: str) -> None:
    check(attention(SPEC.format(heads=8, head_dim=128, more=more), "sm_90", PACKED), loops=2)


def test_float32_has_binaries_with_few_spills() -> None:
    """Its products are no tensor core's, and their tiles are small."""
    for kernel in attention(SPEC.format(heads=8, head_dim=128, more="causal: true"), "sm_90", WIDE):
        assert kernel.ok and not kernel.matrix, kernel
        assert (kernel.spills or 0) <= 300, kernel


@pytest.mark.parametrize("head_dim", ["128", "256"])
def test_gpus_with_little_shared_memory_have_tiles_that_fit(head_dim: str) -> None:
    for kernel in compiled("sm_89", head_dim):
        assert kernel.ok, kernel
        assert kernel.tensor_work in (None, 1.0), kernel
        assert (kernel.spills or 0) <= 128 and kernel.spills_in_loops == 0, kernel


@pytest.mark.slow
@pytest.mark.parametrize(("target", "head_dim", "more"), product(TARGETS, WIDTHS, MORE))
def test_every_shape(target: str, head_dim: str, more: str) -> None:
    check(compiled(target, head_dim, more))
    check(compiled(target, head_dim, more, heads=2))


@pytest.mark.slow
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("path", GALLERY, ids=lambda path: path.stem)
def test_every_gallery_spec(path: Path, target: str) -> None:
    text = path.read_text(encoding="utf-8")
    check(attention(text, target), head_dim=512 if "head_dim: 512" in text else 0)
