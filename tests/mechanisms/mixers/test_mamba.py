"""The chunked form of the selective scan against the recurrence itself."""

from __future__ import annotations

from types import ModuleType

import pytest
import torch
from conftest import EXAMPLES, Builder
from recurrence import assert_equal
from stateful import check_padding, check_precision, check_training
from torch import Tensor

EXAMPLE = next(path for path in EXAMPLES if path.parent.name == "mamba")


@pytest.fixture(scope="module")
def package(builder: Builder) -> ModuleType:
    return builder.load(EXAMPLE.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def scan(package: ModuleType) -> ModuleType:
    __import__(f"{package.__name__}.scan")
    return package.scan


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
def test_both_forms_are_equal(scan: ModuleType, tokens: int, padding: bool) -> None:
    assert_equal(scan.scan_chunked, scan.scan_recurrent, inputs(tokens, padding))


def test_decays_that_vanish_in_a_few_tokens(scan: ModuleType) -> None:
    x, dt, *rest = inputs(70)
    assert_equal(scan.scan_chunked, scan.scan_recurrent, (x, dt * 300, *rest))


def test_float32_stays_finite_where_decays_underflow(scan: ModuleType) -> None:
    given = [t.float() for t in inputs(200)]
    given[1] = given[1] * 300
    given = [t.requires_grad_() for t in given]
    y, state = scan.scan_chunked(*given)
    grads = torch.autograd.grad(y.sum() + state.sum(), given)
    assert all(t.isfinite().all() for t in (y, state, *grads))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64], ids=str)
def test_the_state_is_at_least_float32(package: ModuleType, dtype: torch.dtype) -> None:
    check_precision(package, dtype)


@pytest.mark.parametrize("side", ["left", "right", "both"])
def test_decoding_goes_on_exactly_after_padding(package: ModuleType, side: str) -> None:
    check_padding(package, side)


def test_fifty_steps_lower_the_loss(package: ModuleType) -> None:
    check_training(package)
