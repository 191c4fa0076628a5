"""The linear recurrence over many chunks is the one token by token, and its slopes stay bounded."""

from __future__ import annotations

import importlib
from typing import Any

import pytest
import torch
from conftest import ROOT, Builder, Case


@pytest.fixture(scope="module")
def case(builder: Builder) -> Case:
    return Case(ROOT / "archspec/mechanisms/mixers/rg_lru/example.yaml", builder)


@pytest.mark.parametrize("tokens", [1, 63, 64, 65, 200])
def test_chunks_and_single_tokens_agree(case: Case, tokens: int) -> None:
    """Values and gradients in float64; some tokens forget all, and some let no time pass."""
    scan = importlib.import_module(f"{case.folder.name}.linear_scan")
    torch.manual_seed(0)
    decay = -torch.rand(2, tokens, 5, dtype=torch.float64)
    decay[0, tokens // 2], decay[1, tokens // 3] = float("-inf"), 0.0
    given = decay, torch.randn(2, tokens, 5).double(), torch.randn(2, 5).double()
    given = tuple(x.requires_grad_() for x in given)
    weight = torch.randn(2, tokens, 5).double()
    found: list[tuple[torch.Tensor, ...]] = []
    for form in (scan.scan_recurrent, scan.scan_chunked):
        h, last = form(*given)
        grads = torch.autograd.grad((h * weight).sum() + last.sum(), given)
        torch.testing.assert_close(h[:, -1], last)
        assert all(grad.isfinite().all() for grad in grads)
        found.append((h, *grads))
    torch.testing.assert_close(found[1], found[0])


def test_a_gate_that_is_shut_has_a_slope(case: Case) -> None:
    """Where r is 0, a is 1, and the slope of √(1 − a²) would be infinite."""
    torch.manual_seed(0)
    model: Any = case.package.Model()
    mixer = model.layers[0].rg_lru
    with torch.no_grad():
        mixer.recurrent_gate.bias.fill_(-200.0)
    model(torch.arange(9)[None]).square().sum().backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())


def test_decays_start_between_a_tenth_and_a_thousandth_below_one(case: Case) -> None:
    model: Any = case.package.Model()
    kept = (-8 * torch.nn.functional.softplus(model.layers[0].rg_lru.recurrent_param)).exp()
    assert 0.9 <= kept.min() < 0.93 and 0.96 < kept.max() <= 0.9991


@torch.no_grad()
def test_padding_leaves_the_state_as_it_is(case: Case) -> None:
    """To the last digits: a bound under a root would let a millionth of each token in."""
    torch.manual_seed(0)
    model: Any = case.package.Model().double()
    for parameter in model.parameters():
        parameter.normal_(std=0.5)
    ids, mask = torch.randint(256, (1, 90)), torch.ones(1, 90, dtype=torch.long)
    mask[0, [0, 40, 41, 70, 88, 89]] = 0
    states: list[list[torch.Tensor]] = []
    for given, real in ((ids, mask), (ids[:, mask[0] == 1], None)):
        cache = model.new_cache(1, 90)
        model(given, attention_mask=real, cache=cache)
        states.append([layer.state for layer in cache.layers])
    for padded, alone in zip(*states, strict=True):
        torch.testing.assert_close(padded, alone, rtol=1e-9, atol=1e-9)
