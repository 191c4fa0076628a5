"""The loss whose softmax and gradient are one kernel."""

from __future__ import annotations

import importlib
from types import ModuleType

import pytest
import torch
import torch.nn.functional as F
from conftest import Builder
from measure import agrees, drawn, launches
from torch import Tensor

SPEC = """
archspec: 1
name: loss
vocab_size: {vocab}
hidden_size: 24
context_length: 16
layers: 1 x block
blocks:
  block:
    mixer: {{type: attention, heads: 3, head_dim: 8}}
    feedforward: {{type: dense, intermediate_size: 8, activation: relu, gated: false}}
head: {head}
"""
PLAIN, BENT = "{tied: true}", "{tied: false, bias: true, scale: 0.25, softcap: 2.0}"


def loaded(builder: Builder, vocab: int, head: str) -> tuple[ModuleType, ModuleType]:
    name = builder.load(SPEC.format(vocab=vocab, head=head)).__name__
    return importlib.import_module(f"{name}.loss"), importlib.import_module(f"{name}.kernels.loss")


def labels(rows: int, vocab: int) -> Tensor:
    """Some of them none, the first and the last among them."""
    made = torch.randint(vocab, (rows,), generator=torch.Generator().manual_seed(3))
    made[::4], made[1], made[2] = -100, 0, vocab - 1
    return made


@pytest.mark.parametrize("vocab", [37, 8200])
@pytest.mark.parametrize("head", [PLAIN, BENT], ids=["plain", "bent"])
def test_values_and_gradients(
    builder: Builder, vocab: int, head: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    loss, kernels = loaded(builder, vocab, head)
    seen, target = launches(kernels, monkeypatch), labels(9, vocab)

    def formula(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        logits = F.linear(x, weight, bias)
        if head == BENT:
            logits = 2.0 * torch.tanh(0.25 * logits / 2.0)
        return F.cross_entropy(logits, target, reduction="sum")

    def kernel(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        numbers = (0.25, 2.0) if head == BENT else ()
        return loss.LinearCrossEntropy.apply(x, weight, bias, target, *numbers)

    x, weight = drawn(9, 24), drawn(vocab, 24, seed=1, scale=0.5)
    agrees(kernel, formula, x, weight, drawn(vocab, seed=2))
    assert len(seen) == 2


@torch.no_grad()
def test_without_gradients(builder: Builder) -> None:
    loss, kernels = loaded(builder, 37, PLAIN)
    logits, target = drawn(9, 37).float(), labels(9, 37)
    kept = logits.clone()
    total = kernels.rows_loss(logits, target, False)
    expected, _ = loss.rows_loss(logits, target, False)
    torch.testing.assert_close(total, expected)
    assert torch.equal(logits, kept)


def test_no_labels_at_all(builder: Builder) -> None:
    loss, _ = loaded(builder, 37, PLAIN)
    x, weight = drawn(3, 24).float().requires_grad_(), drawn(37, 24).float()
    out = loss.LinearCrossEntropy.apply(x, weight, None, torch.full((3,), -100))
    assert out == 0
    assert not torch.autograd.grad(out, x)[0].any()


def test_the_operator_is_registered_as_torch_wants_it(builder: Builder) -> None:
    _, kernels = loaded(builder, 37, PLAIN)
    arguments = (drawn(9, 37).float(), labels(9, 37), True)
    torch.library.opcheck(kernels.rows_loss, arguments)


def test_twenty_shapes_share_their_binaries(
    builder: Builder, monkeypatch: pytest.MonkeyPatch
) -> None:
    loss, kernels = loaded(builder, 37, PLAIN)
    seen, weight = launches(kernels, monkeypatch), torch.ones(37, 24)
    for batch in (1, 2, 3, 4):
        for length in (2, 3, 5, 6, 9):
            x = torch.ones(batch, length, 24, requires_grad=True)
            target = torch.ones(batch, length, dtype=torch.long)
            loss.token_loss(x, weight, None, target).backward()
    assert len(seen) == 20
    assert len(set(seen)) == 1


@pytest.mark.parametrize("wrong", [-1, -37, 37, 1 << 40])
def test_a_label_that_is_no_token_is_never_read(builder: Builder, wrong: int) -> None:
    """PyTorch's operators refuse it; the kernel says so by a loss that is no number."""
    loss, kernels = loaded(builder, 37, PLAIN)
    logits, target = drawn(9, 37).float(), labels(9, 37)
    _, expected = loss.rows_loss(logits, target, True)
    target[3] = wrong
    with pytest.raises(IndexError, match=f"Target {wrong} is out of bounds"):
        loss.rows_loss(logits.clone(), target, True)
    assert kernels.rows_loss(logits.clone(), target, False).isnan()
    assert kernels.rows_loss(logits, target, True).isnan()
    assert logits[3].isnan().all()
    others = torch.arange(9) != 3
    torch.testing.assert_close(logits[others], expected[others])
