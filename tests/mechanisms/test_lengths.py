"""Compiled and exported models take texts of any length: there is a graph for all of them."""

from __future__ import annotations

import pytest
import torch
from conftest import Case
from torch import Tensor, nn
from torch._dynamo.testing import CompileCounter, CompileCounterWithBackend

LENGTHS = (40, 57, 64, 65, 91, 128, 33, 127, 80, 96, 100, 20)


@pytest.fixture
def model(case: Case) -> nn.Module:
    torch.manual_seed(0)
    torch.compiler.reset()
    return case.package.Model().eval()


def ids(case: Case, tokens: int, batch: int = 2) -> Tensor:
    return torch.randint(case.architecture.vocab_size, (batch, tokens))


def lengths(case: Case) -> list[int]:
    """Twelve that the model takes: one graph is for the first, one for all others."""
    most = case.architecture.context_length or max(LENGTHS)
    return [min(length, most) for length in LENGTHS]


@torch.no_grad()
def test_compiled_once_for_twelve_lengths(case: Case, model: nn.Module) -> None:
    counter = CompileCounter()
    compiled = torch.compile(model, fullgraph=True, backend=counter)
    for length in lengths(case):
        given = case.inputs(ids(case, length))
        torch.testing.assert_close(compiled(**given), model(**given), atol=1e-5, rtol=1e-4)
    assert counter.frame_count <= 2


def test_compiled_once_for_training_on_twelve_lengths(case: Case, model: nn.Module) -> None:
    if not (case.architecture.is_causal and case.architecture.head):
        pytest.skip("a model without next-token logits has no loss")
    counter = CompileCounterWithBackend("aot_eager")
    compiled = torch.compile(model, fullgraph=True, backend=counter)
    for length in lengths(case):
        tokens = ids(case, length)
        given = {**case.inputs(tokens), "labels": case.labels(tokens)}
        found = trained(model, compiled(**given))
        expected = trained(model, model(**given))
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-3)
    assert counter.frame_count <= 2


def trained(model: nn.Module, loss: Tensor) -> dict[str, Tensor]:
    """The loss, and its gradients."""
    model.zero_grad()
    loss.backward()
    grads = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    return {"loss": loss.detach(), **grads}


@torch.no_grad()
def test_compiled_decoding_of_padded_texts(case: Case, model: nn.Module) -> None:
    if not case.architecture.is_causal:
        pytest.skip("an encoder keeps nothing between calls")
    counter = CompileCounter()
    compiled = torch.compile(model, fullgraph=True, backend=counter)
    tokens = ids(case, 24)
    mask = torch.ones(2, 12, dtype=torch.long)
    mask[0, :5] = 0
    caches = [case.new_cache(model, 2, 24) for _ in range(2)]
    for first, end in ((0, 12), *((t, t + 1) for t in range(12, 24))):
        part = case.inputs(tokens[:, first:end], mask if first == 0 else None, first=first == 0)
        found, expected = (
            run(**part, cache=cache) for run, cache in zip((compiled, model), caches, strict=True)
        )
        real = mask.bool() if first == 0 else slice(None)
        torch.testing.assert_close(found[real], expected[real], atol=1e-4, rtol=1e-4)
    assert counter.frame_count <= 3


@torch.no_grad()
def test_compiled_ahead_for_any_batch_and_length(case: Case, model: nn.Module) -> None:
    """torch.export, with a mask."""
    if any(block_selects(case)):
        pytest.skip("which tokens are chosen, and of how many, depends on the length")
    given = case.inputs(ids(case, 40), torch.ones(2, 40, dtype=torch.long))
    anything = torch.export.Dim.DYNAMIC
    shapes = {name: {0: anything, 1: anything} for name in given}
    exported = torch.export.export(model, (), given, dynamic_shapes=shapes).module()
    for batch, length in ((2, 40), (3, 64), (2, 91), (4, 17)):
        mask = torch.ones(batch, length, dtype=torch.long)
        mask[0, :5] = 0
        other = case.inputs(ids(case, length, batch), mask)
        real = mask.bool()
        expected = model(**other)[real]
        torch.testing.assert_close(exported(**other)[real], expected, atol=1e-5, rtol=1e-4)


def block_selects(case: Case) -> list[bool]:
    return [getattr(m, "select", None) is not None for m in case.architecture.mechanisms]


@torch.no_grad()
def test_compiled_ahead_with_a_cache(case: Case, model: nn.Module) -> None:
    """torch.export takes a cache apart and puts it together again."""
    if not case.architecture.is_causal:
        pytest.skip("an encoder keeps nothing between calls")
    tokens = ids(case, 12)
    caches = [case.new_cache(model, 2, 24) for _ in range(3)]
    given = case.inputs(tokens)
    exported = torch.export.export(model, (), {**given, "cache": caches[0]}).module()
    found, expected = exported(**given, cache=caches[1]), model(**given, cache=caches[2])
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)
    flat = [torch.utils._pytree.tree_leaves(vars(cache)["layers"]) for cache in caches[1:]]
    for mine, theirs in zip(*flat, strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-5, rtol=1e-4)
