"""Padded texts through a whole model: kernels agree with the model without them."""

from __future__ import annotations

import pytest
import torch
from conftest import ROOT, Builder
from torch import Tensor
from twice import Twice

SMALL = """
archspec: 1
name: padded
vocab_size: 64
hidden_size: 32
context_length: 64
blocks:
  sliding:
    mixer: {type: attention, heads: 4, kv_heads: 2, head_dim: 16, window: 5, rope: {theta: 100}}
    feedforward: {type: dense, intermediate_size: 32, activation: silu, gated: false}
  global:
    extends: sliding
    mixer: {window: null}
layers: sliding, global
head: {tied: true}
"""
RELATIVE = """
archspec: 1
name: relative
vocab_size: 64
hidden_size: 32
context_length: 64
blocks:
  distant:
    mixer:
      type: attention
      heads: 4
      kv_heads: 2
      head_dim: 16
      relative_bias: {buckets: 6, max_distance: 9}
  near:
    mixer:
      type: attention
      heads: 3
      head_dim: 16
      relative_bias: {max_distance: 5, shared: false}
layers: 2 x distant, near
head: {tied: true}
"""
GATED = """
archspec: 1
name: gated
vocab_size: 64
hidden_size: 32
context_length: 64
blocks:
  sliding:
    mixer:
      type: attention
      heads: 4
      kv_heads: 2
      head_dim: 16
      window: 5
      sinks: true
      gate: {activation: sigmoid, per: element, bias: true}
  global:
    mixer:
      type: attention
      heads: 3
      kv_heads: 1
      head_dim: 12
      gate: {activation: softplus, per: head}
  plain:
    mixer: {type: attention, heads: 2, head_dim: 16}
layers: sliding, global, plain
head: {tied: true}
"""
SPECS = {"small": SMALL, "relative": RELATIVE, "gated": GATED}
TOKENS = 20
IDS = torch.arange(2 * TOKENS).view(2, TOKENS)
LEFT = torch.ones(2, TOKENS, dtype=torch.long)
LEFT[0, :7] = 0
BOTH = LEFT.clone()
BOTH[1, 15:] = 0


SOURCE = torch.ones(2, 11, dtype=torch.long)
SOURCE[0, 6:] = 0


@pytest.fixture
def padded(
    request: pytest.FixtureRequest, builder: Builder, monkeypatch: pytest.MonkeyPatch
) -> Twice:
    path = ROOT / f"examples/{request.param}.yaml"
    text = path.read_text(encoding="utf-8") if path.exists() else SPECS[request.param]
    return Twice(text, builder, monkeypatch)


@pytest.mark.parametrize("mask", [LEFT, BOTH], ids=["left", "both"])
@pytest.mark.parametrize("padded", ["small", "encoder", "relative", "gated"], indirect=True)
def test_padding_on_either_side(padded: Twice, mask: Tensor) -> None:
    padded.agrees(lambda: padded.learned(IDS, mask))


@pytest.mark.parametrize("padded", ["encoder-decoder"], indirect=True)
def test_a_padded_source(padded: Twice) -> None:
    padded.agrees(lambda: padded.learned(IDS, BOTH, attention_mask=SOURCE))


@pytest.mark.parametrize("mask", [LEFT, BOTH], ids=["left", "both"])
@pytest.mark.parametrize("padded", SPECS, indirect=True)
def test_a_padded_text_goes_on(padded: Twice, mask: Tensor) -> None:
    """After padding on the right there is a gap in the text, which two bounds do not describe."""
    padded.agrees(lambda: padded.goes_on(IDS, mask, [1, 1, 4, 1]))


@pytest.mark.parametrize("padded", SPECS, indirect=True)
def test_padding_leaves_the_graph_whole(padded: Twice) -> None:
    padded.stays_whole(input_ids=IDS, attention_mask=LEFT)
