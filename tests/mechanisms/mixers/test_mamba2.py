"""Both forms of the state-space recurrence against its definition."""

from __future__ import annotations

from types import ModuleType

import pytest
import torch
from conftest import Builder
from recurrence import assert_equal, assert_finite, file_of
from torch import Tensor

from archspec.mechanisms.mixers.mamba2 import definition


@pytest.fixture(scope="module")
def ssd(builder: Builder) -> ModuleType:
    return file_of(builder, "mamba2", "ssd")


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
def test_both_forms_give_the_definition(
    ssd: ModuleType, tokens: int, groups: int, padding: bool
) -> None:
    for form in (ssd.ssd_chunked, ssd.ssd_recurrent):
        assert_equal(form, definition.ssd, inputs(tokens, groups, padding))


def test_decays_that_vanish_in_a_few_tokens(ssd: ModuleType) -> None:
    x, a, b, c, state = inputs(70)
    assert_equal(ssd.ssd_chunked, definition.ssd, (x, a * 300, b, c, state))


def test_float32_stays_finite_where_decays_underflow(ssd: ModuleType) -> None:
    assert_finite(ssd.ssd_chunked, inputs(200))


def test_half_of_a_text_and_the_rest(ssd: ModuleType) -> None:
    x, a, b, c, state = inputs(90)
    whole, last = ssd.ssd_chunked(x, a, b, c, state)
    parts = []
    for part in (slice(0, 50), slice(50, 90)):
        y, state = ssd.ssd_chunked(x[:, part], a[:, part], b[:, part], c[:, part], state)
        parts.append(y)
    torch.testing.assert_close(torch.cat(parts, 1), whole, atol=1e-10, rtol=1e-10)
    torch.testing.assert_close(state, last, atol=1e-10, rtol=1e-10)
