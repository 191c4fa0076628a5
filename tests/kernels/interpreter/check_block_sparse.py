"""Models whose layers see some blocks of a text: with kernels they are what they are without."""

from __future__ import annotations

import pytest
import torch
from conftest import Builder
from torch import Tensor
from twice import Twice

SPEC = """
archspec: 1
name: striped
vocab_size: 64
hidden_size: 32
context_length: 128
defaults:
  feedforward: {type: dense, intermediate_size: 32, activation: silu, gated: false}
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
def model(builder: Builder, monkeypatch: pytest.MonkeyPatch) -> Twice:
    return Twice(SPEC, builder, monkeypatch)


@pytest.mark.parametrize("mask", [None, BOTH], ids=["whole", "padded"])
def test_a_text_with_its_gradients(mask: Tensor | None, model: Twice) -> None:
    model.agrees(lambda: model.learned(IDS, mask))


@pytest.mark.parametrize("mask", [None, BOTH], ids=["whole", "padded"])
def test_a_text_goes_on(mask: Tensor | None, model: Twice) -> None:
    model.agrees(lambda: model.goes_on(IDS, mask, [1, 4, 1]))


@torch.no_grad()
def test_decoding_is_prefill(model: Twice) -> None:
    sizes = [30, 15, *([1] * (TOKENS - 45))]
    parts = model.in_parts(model.model, IDS.split(sizes, dim=1))
    torch.testing.assert_close(parts, model.model(IDS), atol=1e-4, rtol=1e-4)


def test_the_graph_stays_whole(model: Twice) -> None:
    model.stays_whole(input_ids=IDS[:1, :33])
