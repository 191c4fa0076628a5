"""The kernels of rotations."""

from __future__ import annotations

import importlib
from types import ModuleType

import pytest
import torch
from conftest import Builder
from measure import agrees, binaries, drawn, launches
from torch import Tensor

SPEC = """
archspec: 1
name: rotary
vocab_size: 16
hidden_size: 24
context_length: 16
layers: 1 x halves, 1 x pairs
head: null
blocks:
  halves:
    mixer: {type: attention, heads: 3, kv_heads: 1, head_dim: 12, rope: {theta: 10_000}}
    feedforward: {type: dense, intermediate_size: 8, activation: relu, gated: false}
  pairs:
    mixer:
      type: attention
      heads: 3
      head_dim: 20
      rope: {theta: 10_000, fraction: 0.5, pairing: interleaved}
    feedforward: {type: dense, intermediate_size: 8, activation: relu, gated: false}
"""


@pytest.fixture(scope="module")
def package(builder: Builder) -> ModuleType:
    return builder.load(SPEC)


@pytest.fixture(scope="module")
def kernels(package: ModuleType) -> ModuleType:
    return importlib.import_module(f"{package.__name__}.kernels.rotary")


def table(batch: int, tokens: int, width: int, halves: bool) -> tuple[Tensor, Tensor]:
    """Cosines and signed sines of any angles, as the rotary functions lay them out."""
    angle = drawn(batch, 1, tokens, width // 2, seed=5)
    if halves:
        cos, sin = angle.cos(), angle.sin()
        return torch.cat((cos, cos), -1), torch.cat((-sin, sin), -1)
    cos, sin = angle.cos().repeat_interleave(2, -1), angle.sin()
    return cos, torch.stack((-sin, sin), -1).flatten(-2)


@pytest.mark.parametrize("halves", [True, False], ids=["halves", "pairs"])
@pytest.mark.parametrize("batch", [1, 2], ids=["one-table", "a-table-each"])
@pytest.mark.parametrize(("heads", "width"), [(1, 2), (3, 12), (5, 10)])
def test_values_and_gradients(
    kernels: ModuleType, heads: int, width: int, batch: int, halves: bool
) -> None:
    cos, sin = table(batch, 7, width, halves)
    order = torch.arange(width)
    swap = (order + width // 2) % width if halves else order ^ 1

    def formula(x: Tensor) -> Tensor:
        return x * cos.to(x.dtype) + x[..., swap] * sin.to(x.dtype)

    def kernel(x: Tensor) -> Tensor:
        tables = cos.to(x.dtype), sin.to(x.dtype)
        return kernels.rotate(x, *tables, pairs=width // 2 if halves else 1)

    agrees(kernel, formula, drawn(2, heads, 7, width))


@pytest.mark.parametrize("layout", ["heads", "part", "tokens", "one-head"])
def test_layouts(kernels: ModuleType, package: ModuleType, layout: str) -> None:
    """What projections give is read where it lies; what lies otherwise is copied first."""
    rotary = importlib.import_module(f"{package.__name__}.rotary")
    x = {
        "heads": drawn(2, 7, 3, 12).transpose(1, 2),
        "part": drawn(2, 7, 3, 20).transpose(1, 2)[..., 8:],
        "tokens": drawn(2, 3, 7, 12),
        "one-head": drawn(2, 7, 20)[:, None, :, 8:],
    }[layout].float()
    assert (kernels.even_tokens(x) is x) == (layout != "tokens")
    cos, sin = (part.float() for part in table(1, 7, 12, halves=True))
    expected = torch.addcmul(x * cos, x.roll(6, dims=-1), sin)
    torch.testing.assert_close(rotary.rotate(x, (cos, sin)), expected)


def test_the_operator_is_registered_as_torch_wants_it(kernels: ModuleType) -> None:
    cos, sin = (part.float() for part in table(1, 7, 12, halves=True))
    x = drawn(2, 7, 3, 12).float().transpose(1, 2).requires_grad_()
    torch.library.opcheck(kernels._turn, (x, cos, sin, 6, 1))


def test_twenty_shapes_share_their_binaries(
    kernels: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = launches(kernels, monkeypatch)
    for batch in (1, 2, 3, 4):
        for length in (1, 2, 4, 5, 8):
            cos, sin = (part.float() for part in table(1, length, 12, halves=True))
            several = torch.ones(batch, length, 3, 12).transpose(1, 2)
            for x in (several, torch.ones(batch, length, 20)[:, None, :, 8:]):
                kernels.rotate(x.requires_grad_(), cos, sin, pairs=6).square().sum().backward()
    assert len(seen) == 80
    assert len(set(seen)) == 4


def test_the_model_calls_them(package: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    kernels = importlib.import_module(f"{package.__name__}.kernels.rotary")
    seen = launches(kernels, monkeypatch)
    package.Model()(torch.zeros(2, 3, dtype=torch.long))
    assert len(seen) == 4
    known = [variant.constants for variant in binaries(kernels)]
    assert all({k: v for k, v in call[-10:] if k != "num_warps"} in known for call in seen)
