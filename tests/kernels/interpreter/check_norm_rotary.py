"""The kernels that norm a head and turn it."""

from __future__ import annotations

import importlib
from types import ModuleType

import pytest
import torch
from check_rotary import table
from conftest import Builder
from measure import agrees, binaries, drawn, launches
from torch import Tensor

SPEC = """
archspec: 1
name: norm-rotary
vocab_size: 16
hidden_size: 24
context_length: 16
layers: 1 x halves, 1 x pairs
head: null
defaults:
  feedforward: {type: dense, intermediate_size: 8, activation: relu, gated: false}
blocks:
  halves:
    mixer:
      type: attention
      heads: 3
      kv_heads: 1
      head_dim: 12
      rope: {theta: 10_000}
      qk_norm: {type: rmsnorm, zero_centered: true}
  pairs:
    mixer:
      type: attention
      heads: 3
      head_dim: 10
      rope: {theta: 10_000, pairing: interleaved}
      qk_norm: {type: rmsnorm}
"""
EPS = 1e-3


@pytest.fixture(scope="module")
def package(builder: Builder) -> ModuleType:
    return builder.load(SPEC)


@pytest.fixture(scope="module")
def kernels(package: ModuleType) -> ModuleType:
    return importlib.import_module(f"{package.__name__}.kernels.norm_rotary")


@pytest.mark.parametrize("halves", [True, False], ids=["halves", "pairs"])
@pytest.mark.parametrize(("batch", "center"), [(1, 0.0), (2, 1.0)])
@pytest.mark.parametrize(("heads", "width"), [(1, 12), (3, 10)])
def test_values_and_gradients(
    kernels: ModuleType, heads: int, width: int, batch: int, center: float, halves: bool
) -> None:
    cos, sin = table(batch, 7, width, halves)
    order = torch.arange(width)
    swap = (order + width // 2) % width if halves else order ^ 1

    def formula(x: Tensor, weight: Tensor) -> Tensor:
        wide = torch.promote_types(x.dtype, torch.float32)
        y = x.to(wide) * (x.to(wide).square().mean(-1, keepdim=True) + EPS).rsqrt()
        y = (y * (center + weight.to(wide))).to(x.dtype)
        return y * cos.to(x.dtype) + y[..., swap] * sin.to(x.dtype)

    def kernel(x: Tensor, weight: Tensor) -> Tensor:
        tables, pairs = (cos.to(x.dtype), sin.to(x.dtype)), width // 2 if halves else 1
        return kernels.norm_rotate(x, weight, *tables, EPS, center, pairs)

    agrees(kernel, formula, drawn(2, heads, 7, width), drawn(width, seed=1))


def test_operators_are_registered_as_torch_wants_them(kernels: ModuleType) -> None:
    cos, sin = (part.float() for part in table(1, 7, 12, halves=True))
    x = drawn(2, 7, 3, 12).float().transpose(1, 2).requires_grad_()
    weight = drawn(12).float().requires_grad_()
    torch.library.opcheck(kernels._norm_turn, (x, weight, cos, sin, EPS, 1.0, 6))


def test_twenty_shapes_share_their_binaries(
    kernels: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen, weight = launches(kernels, monkeypatch), torch.ones(12, requires_grad=True)
    for batch in (1, 2, 3, 4):
        for length in (1, 2, 4, 5, 8):
            cos, sin = (part.float() for part in table(1, length, 12, halves=True))
            x = torch.ones(batch, length, 3, 12).transpose(1, 2).requires_grad_()
            kernels.norm_rotate(x, weight, cos, sin, EPS, 0.0, 6).square().sum().backward()
    assert len(seen) == 40
    assert len(set(seen)) == 2


def test_the_model_calls_them(package: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    kernels = importlib.import_module(f"{package.__name__}.kernels.norm_rotary")
    seen = launches(kernels, monkeypatch)
    package.Model()(torch.zeros(2, 3, dtype=torch.long))
    assert len(seen) == 4
    known = [variant.constants for variant in binaries(kernels)]
    assert all({k: v for k, v in call[-9:] if k != "num_warps"} in known for call in seen)


def test_norms_that_hooks_watch_are_called(
    package: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernels = importlib.import_module(f"{package.__name__}.kernels.norm_rotary")
    model, tokens, called = package.Model(), torch.zeros(2, 3, dtype=torch.long), list[str]()
    want, seen = model(tokens), launches(kernels, monkeypatch)
    norms = [n for n, _ in model.named_modules() if n.endswith(("q_norm", "k_norm"))]
    for name in norms:
        hook = model.get_submodule(name).register_forward_hook
        hook(lambda *_, name=name: called.append(name))
    torch.testing.assert_close(model(tokens), want)
    assert not seen
    assert called == norms
