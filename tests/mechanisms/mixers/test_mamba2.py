"""The chunked form of the state-space recurrence against the recurrence itself."""

from __future__ import annotations

from types import ModuleType

import pytest
import torch
from conftest import EXAMPLES, Builder
from recurrence import assert_equal
from stateful import check_padding, check_precision, check_training
from torch import Tensor

EXAMPLE = next(path for path in EXAMPLES if path.parent.name == "mamba2")


@pytest.fixture(scope="module")
def package(builder: Builder) -> ModuleType:
    return builder.load(EXAMPLE.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def ssd(package: ModuleType) -> ModuleType:
    __import__(f"{package.__name__}.ssd")
    return package.ssd


def inputs(tokens: int, groups: int = 2, padding: bool = False) -> tuple[Tensor, ...]:
    """x, a, b, c and a state: 2 texts, 6 heads of width 3, states of 3 × 5."""
    generator = torch.Generator().manual_seed(tokens)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    x, a = normal(2, tokens, 6, 3), -normal(2, tokens, 6).exp()
    if padding:
        hidden = torch.rand(2, tokens, generator=generator) < 0.4
        x, a = x.masked_fill(hidden[..., None, None], 0), a.masked_fill(hidden[..., None], 0)
    vectors = normal(2, tokens, groups, 5), normal(2, tokens, groups, 5)
    return x, a, *vectors, normal(2, 6, 3, 5)


@pytest.mark.parametrize("padding", [False, True], ids=["", "padding"])
@pytest.mark.parametrize("groups", [1, 2, 6])
@pytest.mark.parametrize("tokens", [1, 5, 64, 65, 131])
def test_both_forms_are_equal(ssd: ModuleType, tokens: int, groups: int, padding: bool) -> None:
    assert_equal(ssd.ssd_chunked, ssd.ssd_recurrent, inputs(tokens, groups, padding))


def test_decays_that_vanish_in_a_few_tokens(ssd: ModuleType) -> None:
    x, a, b, c, state = inputs(70)
    assert_equal(ssd.ssd_chunked, ssd.ssd_recurrent, (x, a * 300, b, c, state))


def test_float32_stays_finite_where_decays_underflow(ssd: ModuleType) -> None:
    given = [t.float() for t in inputs(200)]
    given[1] = given[1] * 300
    given = [t.requires_grad_() for t in given]
    y, state = ssd.ssd_chunked(*given)
    grads = torch.autograd.grad(y.sum() + state.sum(), given)
    assert all(t.isfinite().all() for t in (y, state, *grads))


def test_half_of_a_text_and_the_rest(ssd: ModuleType) -> None:
    x, a, b, c, state = inputs(90)
    whole, last = ssd.ssd_chunked(x, a, b, c, state)
    parts = []
    for part in (slice(0, 50), slice(50, 90)):
        y, state = ssd.ssd_chunked(x[:, part], a[:, part], b[:, part], c[:, part], state)
        parts.append(y)
    torch.testing.assert_close(torch.cat(parts, 1), whole, atol=1e-10, rtol=1e-10)
    torch.testing.assert_close(state, last, atol=1e-10, rtol=1e-10)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64], ids=str)
def test_the_state_is_at_least_float32(package: ModuleType, dtype: torch.dtype) -> None:
    check_precision(package, dtype)


@pytest.mark.parametrize("side", ["left", "right", "both"])
def test_decoding_goes_on_exactly_after_padding(package: ModuleType, side: str) -> None:
    check_padding(package, side)


def test_fifty_steps_lower_the_loss(package: ModuleType) -> None:
    check_training(package)
