"""Models whose layers see some blocks of a text: with kernels they are what they are without."""

from __future__ import annotations

import importlib
from collections.abc import Callable

import pytest
import torch
from conftest import Builder
from measure import drawn
from torch import Tensor, nn

SPEC = """
archspec: 1
name: striped
vocab_size: 64
hidden_size: 32
context_length: 128
defaults:
  feedforward: {type: dense, hidden_size: 32, activation: silu, gated: false}
blocks:
  striped:
    mixer:
      type: attention
      heads: 4
      kv_heads: 2
      head_dim: 16
      rope: {theta: 100}
      block_sparse: {size: 16, local: 1, stride: 3, first: 1, shifted: true}
  sloping:
    mixer:
      type: attention
      heads: 2
      head_dim: 16
      alibi: true
      block_sparse: {size: 16, local: 1, stride: 2}
  sinking:
    mixer:
      type: attention
      heads: 3
      kv_heads: 1
      head_dim: 16
      sinks: true
      softcap: 4
      block_sparse: {size: 16, local: 1, first: 1}
layers: striped, sloping, sinking
head: {tied: true}
"""
TOKENS = 50
IDS = torch.arange(2 * TOKENS).view(2, TOKENS) * 7 % 64
BOTH = torch.ones(2, TOKENS, dtype=torch.long)
BOTH[0, :9] = 0
BOTH[1, 43:] = 0


@pytest.fixture
def model(builder: Builder) -> nn.Module:
    torch.manual_seed(0)
    made: nn.Module = builder.load(SPEC).Model()
    with torch.no_grad():
        for tensor in made.parameters():
            tensor.add_(torch.randn_like(tensor) * 0.1)
    return made


@pytest.fixture
def agrees(model: nn.Module, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Whether what a function gives is the same with kernels and without."""
    package = type(model).__module__.partition(".")[0]

    def agree(call: Callable[[], list[Tensor]]) -> None:
        launch = importlib.import_module(f"{package}.launch")
        found = call()
        monkeypatch.setattr(launch, "USED", False)
        wanted = call()
        largest = max(float(own.abs().max()) for own in wanted)
        for kernel, own in zip(found, wanted, strict=True):
            assert (kernel - own).abs().max() < 1e-5 * largest

    return agree


@pytest.mark.parametrize("mask", [None, BOTH], ids=["whole", "padded"])
def test_a_text_with_its_gradients(
    mask: Tensor | None, model: nn.Module, agrees: Callable[..., None]
) -> None:
    def read() -> list[Tensor]:
        real = torch.ones_like(IDS) if mask is None else mask
        logits = model(IDS, attention_mask=mask)[real.bool()]
        model.zero_grad()
        (logits * drawn(*logits.shape).float()).sum().backward()
        return [logits.detach(), *(p.grad.clone() for p in model.parameters())]

    agrees(read)


@torch.no_grad()
@pytest.mark.parametrize("mask", [None, BOTH], ids=["whole", "padded"])
def test_a_text_goes_on(mask: Tensor | None, model: nn.Module, agrees: Callable[..., None]) -> None:
    def read() -> list[Tensor]:
        cache = model.new_cache(2, TOKENS + 8)  # type: ignore[operator]
        real = torch.ones_like(IDS) if mask is None else mask
        found = [model(IDS, attention_mask=mask, cache=cache)[real.bool()]]
        return found + [model(IDS[:, :count], cache=cache) for count in (1, 4, 1)]

    agrees(read)


@torch.no_grad()
def test_decoding_is_prefill(model: nn.Module) -> None:
    cache = model.new_cache(2, TOKENS)  # type: ignore[operator]
    sizes = [30, 15, *([1] * (TOKENS - 45))]
    parts = [model(ids, cache=cache) for ids in IDS.split(sizes, dim=1)]
    torch.testing.assert_close(torch.cat(parts, 1), model(IDS), atol=1e-4, rtol=1e-4)


def test_the_graph_stays_whole(model: nn.Module) -> None:
    compiled = torch.compile(model, fullgraph=True, backend="aot_eager")
    ids = IDS[:1, :33]
    torch.testing.assert_close(compiled(ids), model(ids), atol=1e-5, rtol=1e-5)
