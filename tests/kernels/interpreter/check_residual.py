"""The kernels that add a branch to the residual stream and norm the sum."""

from __future__ import annotations

import importlib
from types import ModuleType

import pytest
import torch
from check_norm import EPS, SPEC
from conftest import Builder
from measure import agrees, drawn, launches
from torch import Tensor

from archspec.codegen.tiles import row_tiles

SANDWICH = SPEC.replace("blocks:", "defaults: {norm_position: sandwich}\nblocks:")
PARALLEL = SPEC.replace("blocks:", "defaults: {parallel: true}\nblocks:")


@pytest.fixture(scope="module")
def kernels(builder: Builder) -> ModuleType:
    module = importlib.import_module(f"{builder.load(SPEC).__name__}.kernels.norm")
    for tiles in map(row_tiles, (7, 1000)):
        module.TILES[tiles.width] = (tiles.rows, tiles.columns, tiles.warps)
    return module


@pytest.mark.parametrize("center", [0.0, 1.0])
@pytest.mark.parametrize("width", [7, 1000])
def test_values_and_gradients(kernels: ModuleType, width: int, center: float) -> None:
    def formula(x: Tensor, branch: Tensor, weight: Tensor) -> Tensor:
        total = x + branch
        wide = total.to(torch.promote_types(x.dtype, torch.float32))
        y = wide * (wide.square().mean(-1, keepdim=True) + EPS).rsqrt()
        return torch.stack((total, (y * (center + weight.to(wide.dtype))).to(x.dtype)))

    def kernel(x: Tensor, branch: Tensor, weight: Tensor) -> Tensor:
        return torch.stack(kernels.add_norm(x, branch, weight, EPS, center))

    x, branch = drawn(3, 11, width), drawn(3, 11, width, seed=2)
    agrees(kernel, formula, x, branch, drawn(width, seed=1))


def test_the_sum_alone_has_a_gradient(kernels: ModuleType) -> None:
    x, y = (drawn(4, 7, seed=n).float().requires_grad_() for n in (1, 2))
    weight = torch.ones(7, requires_grad=True)
    total, _ = kernels.add_norm(x, y, weight, EPS, 0.0)
    grads = torch.autograd.grad((3 * total).sum(), (x, y, weight))
    assert all(grad.eq(3).all() for grad in grads[:2])
    assert not grads[2].any()


def test_no_rows(kernels: ModuleType) -> None:
    x = torch.zeros(0, 7)
    total, y = kernels.add_norm(x, x, torch.ones(7), EPS, 0.0)
    assert total.shape == y.shape == (0, 7)


def test_operators_are_registered_as_torch_wants_them(kernels: ModuleType) -> None:
    x, y = (drawn(4, 7, seed=n).float().requires_grad_() for n in (1, 2))
    weight = drawn(7).float().requires_grad_()
    torch.library.opcheck(kernels._add_norm, (x, y, weight, EPS, 1.0))
    grads = (torch.ones(4, 7), torch.ones(4, 7), x.detach(), weight.detach())
    torch.library.opcheck(kernels._add_norm_backward, (*grads, EPS, 1.0))


def test_twenty_shapes_share_their_binaries(
    kernels: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = launches(kernels, monkeypatch)
    weight = torch.ones(7, requires_grad=True)
    for batch in (1, 2, 3, 16):
        for length in (1, 2, 5, 16, 33):
            x = torch.ones(batch, length, 7)
            torch.stack(kernels.add_norm(x, x, weight, EPS, 0.0)).sum().backward()
    assert len(seen) == 40
    assert len(set(seen)) == 2


@pytest.mark.parametrize("spec", [SPEC, SANDWICH], ids=["pre", "sandwich"])
def test_a_layer_calls_them(builder: Builder, spec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    package = builder.load(spec)
    seen = launches(importlib.import_module(f"{package.__name__}.kernels.norm"), monkeypatch)
    torch.manual_seed(0)
    model, tokens = package.Model(), torch.arange(6).view(2, 3)
    found = model(tokens)
    assert [name for name, *_ in seen].count("_add_norm_forward") == 1
    monkeypatch.setattr(
        importlib.import_module(f"{package.__name__}.kernels"), "running", "reference"
    )
    torch.testing.assert_close(found, model(tokens))


def test_a_norm_that_a_hook_watches_is_called(
    builder: Builder, monkeypatch: pytest.MonkeyPatch
) -> None:
    package, called = builder.load(SPEC), list[tuple[int, ...]]()
    seen = launches(importlib.import_module(f"{package.__name__}.kernels.norm"), monkeypatch)
    model, tokens = package.Model(), torch.arange(6).view(2, 3)
    want = model(tokens)
    norm = model.layers[0].post_attention_layernorm
    norm.register_forward_hook(lambda *call: called.append(call[2].shape))
    seen.clear()
    torch.testing.assert_close(model(tokens), want)
    assert "_add_norm_forward" not in [name for name, *_ in seen]
    assert called == [want.shape]


def test_branches_beside_each_other_have_no_norm_between_them(builder: Builder) -> None:
    package = builder.load(PARALLEL)
    kernels = importlib.import_module(f"{package.__name__}.kernels.norm")
    assert not hasattr(kernels, "add_norm")
    assert not hasattr(importlib.import_module(f"{package.__name__}.norm"), "add_norm")
