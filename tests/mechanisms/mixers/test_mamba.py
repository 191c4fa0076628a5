"""Both forms of the selective scan against its definition."""

from __future__ import annotations

from types import ModuleType

import pytest
import torch
from conftest import Builder
from recurrence import assert_equal, assert_finite, file_of
from torch import Tensor

from archspec.mechanisms.mixers.mamba.definition import selective_scan


@pytest.fixture(scope="module")
def scan(builder: Builder) -> ModuleType:
    return file_of(builder, "mamba", "scan")


def inputs(tokens: int, padding: bool = False) -> tuple[Tensor, ...]:
    """x, Δ, A, b, c and a state: 2 texts, 7 channels of 5 states."""
    generator = torch.Generator().manual_seed(tokens)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    dt, rate = normal(2, tokens, 7).exp(), -normal(7, 5).exp()
    if padding:
        dt = dt.masked_fill(torch.rand(2, tokens, 1, generator=generator) < 0.4, 0)
    return dt * normal(2, tokens, 7), dt, rate, *normal(2, 2, tokens, 5), normal(2, 7, 5)


@pytest.mark.parametrize("padding", [False, True], ids=["", "padding"])
@pytest.mark.parametrize("tokens", [1, 5, 64, 65, 131, 200])
def test_both_forms_give_the_definition(scan: ModuleType, tokens: int, padding: bool) -> None:
    for form in (scan.scan_chunked, scan.scan_recurrent):
        assert_equal(form, selective_scan, inputs(tokens, padding))


def test_decays_that_vanish_in_a_few_tokens(scan: ModuleType) -> None:
    x, dt, *rest = inputs(70)
    assert_equal(scan.scan_chunked, selective_scan, (x, dt * 300, *rest))


def test_float32_stays_finite_where_decays_underflow(scan: ModuleType) -> None:
    assert_finite(scan.scan_chunked, inputs(200))
