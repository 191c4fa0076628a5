"""RMSNorm's kernels."""

from __future__ import annotations

import importlib
from types import ModuleType

import pytest
import torch
from conftest import Builder
from measure import agrees, drawn, launches
from torch import Tensor

from archspec.codegen.tiles import row_tiles

SPEC = """
archspec: 1
name: rows
vocab_size: 16
hidden_size: 36
context_length: 16
norm: {type: rmsnorm, eps: 1.0e-6}
blocks:
  one:
    mixer: {type: attention, heads: 3, head_dim: 12}
    feedforward: {type: dense, intermediate_size: 8, activation: silu, gated: true}
layers: 1 x one
head: null
"""
EPS = 1e-3
WIDTHS = (1, 7, 36, 128, 1000, 2049)


@pytest.fixture(scope="module")
def kernels(builder: Builder) -> ModuleType:
    package = builder.load(SPEC)
    module = importlib.import_module(f"{package.__name__}.kernels.norm")
    for width in WIDTHS:
        tiles = row_tiles(width)
        module.TILES[width] = (tiles.rows, tiles.columns, tiles.warps)
    return module


@pytest.mark.parametrize("center", [0.0, 1.0])
@pytest.mark.parametrize("width", WIDTHS)
def test_values_and_gradients(kernels: ModuleType, width: int, center: float) -> None:
    def formula(x: Tensor, weight: Tensor) -> Tensor:
        wide = torch.promote_types(x.dtype, torch.float32)
        y = x.to(wide) * (x.to(wide).square().mean(-1, keepdim=True) + EPS).rsqrt()
        return (y * (center + weight.to(wide))).to(x.dtype)

    def kernel(x: Tensor, weight: Tensor) -> Tensor:
        return kernels.rms_norm(x, weight, EPS, center)

    agrees(kernel, formula, drawn(3, 11, width), drawn(width, seed=1))


def test_heads_keep_their_layout(kernels: ModuleType) -> None:
    x = drawn(2, 5, 3, 7).float().transpose(1, 2)  # (B, H, T, D)
    x.requires_grad_()
    weight = drawn(7, seed=1).float()
    y = kernels.rms_norm(x, weight, EPS, 0.0)
    assert y.stride() == x.stride()
    torch.testing.assert_close(y, torch.nn.functional.rms_norm(x, (7,), weight, EPS))
    torch.testing.assert_close(
        torch.autograd.grad(y.contiguous().square().sum(), x),
        torch.autograd.grad(torch.nn.functional.rms_norm(x, (7,), weight, EPS).square().sum(), x),
    )


def test_any_other_layout_is_copied(kernels: ModuleType) -> None:
    x = drawn(5, 14).float()[:, ::2]
    y = kernels.rms_norm(x, torch.ones(7), EPS, 0.0)
    torch.testing.assert_close(y, torch.nn.functional.rms_norm(x, (7,), None, EPS))


def test_no_rows(kernels: ModuleType) -> None:
    assert kernels.rms_norm(torch.zeros(0, 7), torch.ones(7), EPS, 0.0).shape == (0, 7)


def test_operators_are_registered_as_torch_wants_them(kernels: ModuleType) -> None:
    x, weight = drawn(4, 7).float().requires_grad_(), drawn(7).float().requires_grad_()
    torch.library.opcheck(kernels._rms_norm, (x, weight, EPS, 1.0))
    grad = torch.ones(4, 7)
    torch.library.opcheck(kernels._rms_norm_backward, (grad, x.detach(), weight.detach(), EPS, 1.0))


def test_twenty_shapes_share_their_binaries(
    kernels: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = launches(kernels, monkeypatch)
    weight = torch.ones(7, requires_grad=True)
    for batch in (1, 2, 3, 16):
        for length in (1, 2, 5, 16, 33):
            kernels.rms_norm(torch.ones(batch, length, 7), weight, EPS, 0.0).sum().backward()
    assert len(seen) == 40
    assert len(set(seen)) == 2


def test_the_model_calls_them(builder: Builder, monkeypatch: pytest.MonkeyPatch) -> None:
    package = builder.load(SPEC)
    seen = launches(importlib.import_module(f"{package.__name__}.kernels.norm"), monkeypatch)
    model = package.Model()
    model(torch.zeros(1, 3, dtype=torch.long))
    assert len(seen) == 3
