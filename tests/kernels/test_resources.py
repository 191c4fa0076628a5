"""What attention's kernels take of each GPU, for every shape of head: compiled without one."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest
from conftest import ROOT

import archspec
from archspec import codegen, kernels
from archspec.kernels import TARGETS, Compiled

FILES = ("attention_kernels.py", "decode_kernels.py", "paged_kernels.py")
SPEC = """
archspec: 1
name: heads
vocab_size: 64
hidden_size: 64
context_length: 8192
blocks:
  only:
    mixer: {{type: attention, heads: {heads}, kv_heads: 2, head_dim: {head_dim}, {more}}}
    feedforward: {{type: dense, hidden_size: 64, activation: silu, gated: true}}
layers: only
head: {{tied: true}}
"""
GALLERY = sorted((ROOT / "gallery").glob("*.yaml"))
WIDTHS = ("64", "80", "96", "128", "192, value_dim: 128", "256")
BLOCKS = "block_sparse: {size: 64, local: 16, stride: 8, first: 1, shifted: true}"
MORE = (
    *("", "window: 1024", "window: 64, sinks: true", "chunk: 1024", "softcap: 30", "alibi: true"),
    BLOCKS,
)


def compiled(target: str, head_dim: str, more: str = "", heads: int = 8) -> list[Compiled]:
    """The kernels of one shape of attention."""
    more = more or "causal: true"
    return attention(SPEC.format(heads=heads, head_dim=head_dim, more=more), target)


def attention(text: str, target: str, packed: bool = False) -> list[Compiled]:
    """The kernels of attention of a spec; where texts are `packed`, those that are told of them."""
    files = codegen.build(archspec.loads(text), text, "spec.yaml")
    if packed:
        path, whole = "attention_kernels.py", "tiled(kernel, tiles, bounds_ptr=None)"
        assert whole in files[path]
        files = {k: v for k, v in files.items() if k == path or not k.endswith("_kernels.py")}
        files[path] = files[path].replace(whole, "tiled(kernel, tiles)")
    kept = {
        path: file
        for path, file in files.items()
        if path.endswith(".py") and (path in FILES or not path.endswith("_kernels.py"))
    }
    return kernels.compile_kernels(kept, "built", target)


WIDEST = 64
"""Bytes that the gradients of queries may spill at a width of 512, which nothing else has."""


def check(found: list[Compiled], head_dim: int = 0) -> None:
    """Each fits; on sm_90 nothing spills, and products and copies are those of the chip."""
    for kernel in found:
        assert kernel.error is None, kernel
        assert kernel.ok, kernel
        if kernel.target != "sm_90":
            continue
        wide = head_dim == 512 and kernel.name.endswith("backward_queries")
        assert (kernel.spills or 0) <= (WIDEST if wide else 0), kernel
        if kernel.name.startswith("combine"):
            continue
        assert kernel.async_copies, kernel
        # The heads of a group are fewer rows than a warpgroup multiplies.
        assert kernel.wgmma or kernel.name.startswith("parts"), kernel


@pytest.mark.parametrize("head_dim", ["64", "128"])
def test_nothing_spills(head_dim: str) -> None:
    check(compiled("sm_90", head_dim))


@pytest.mark.parametrize("more", ["causal: true", "window: 1024", "chunk: 1024"])
def test_nothing_spills_where_texts_are_packed(more: str) -> None:
    check(attention(SPEC.format(heads=8, head_dim=128, more=more), "sm_90", packed=True))


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
