"""The operator that experts are computed with, by itself."""

from __future__ import annotations

import pytest
import torch
from conftest import Builder
from specs import moe


@pytest.fixture
def grouped(builder: Builder):
    return builder.load(moe("renormalize: true")).grouped


def arguments(sizes: list[int]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    ends = torch.tensor(sizes).cumsum(0)
    x = torch.randn(int(ends[-1]), 3, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(len(sizes), 4, 3, dtype=torch.float64, requires_grad=True)
    return x, weight, ends


SIZES = [[2, 0, 3, 1], [0, 0, 5], [4], [1, 1, 0]]


@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_equals_a_map_for_each_group(grouped, sizes: list[int]) -> None:
    x, weight, ends = arguments(sizes)
    parts = [rows @ w.t() for rows, w in zip(x.split(sizes), weight, strict=True)]
    torch.testing.assert_close(grouped.grouped_linear(x, weight, ends), torch.cat(parts))


@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_gradients(grouped, sizes: list[int]) -> None:
    assert torch.autograd.gradcheck(grouped.grouped_linear, arguments(sizes))


@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_is_a_well_behaved_operator(grouped, sizes: list[int]) -> None:
    x, weight, ends = arguments(sizes)
    torch.library.opcheck(grouped._grouped_linear, (x, weight, ends))
    grad = torch.randn(x.shape[0], 4, dtype=torch.float64)
    torch.library.opcheck(grouped.grouped_outer, (grad, x.detach(), ends))


def test_transposed_weights_and_rows(grouped) -> None:
    x, weight, ends = arguments([2, 0, 3, 1])
    out = grouped.grouped_linear(x.t().contiguous().t(), weight.mT.contiguous().mT, ends)
    torch.testing.assert_close(out, grouped.grouped_linear(x, weight, ends))


def test_an_expert_without_rows_has_no_gradient(grouped) -> None:
    x, weight, ends = arguments([2, 0, 3, 1])
    grouped.grouped_linear(x, weight, ends).sum().backward()
    assert not weight.grad[1].any()
    assert weight.grad[0].any()
