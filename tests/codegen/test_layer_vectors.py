"""Vectors of the token for every layer reach each layer of their stack, whatever it mixes."""

from __future__ import annotations

import torch
from conftest import Builder

TEXT = """archspec: 1
name: vectors
vocab_size: 40
hidden_size: 16
context_length: 32
embedding: {per_layer: {width: 6}}
blocks:
  both_ways:
    mixer:
      - {type: mamba, inner_dim: 8, state_dim: 4, dt_rank: 2, conv: 3}
      - {type: attention, heads: 2, head_dim: 8, causal: false}
    per_layer_input: {width: 6, activation: silu}
  plain:
    mixer: {type: attention, heads: 2, head_dim: 8, causal: false}
    per_layer_input: {width: 6, activation: silu}
layers: both_ways, plain
head: {tied: true}
"""


def test_a_layer_that_looks_back_with_half_of_itself(builder: Builder) -> None:
    torch.manual_seed(0)
    model, ids = builder.load(TEXT).Model(), torch.randint(40, (2, 9))
    before = model(ids)
    with torch.no_grad():
        model.embed_tokens_per_layer.weight.add_(torch.randn(40, 12))
    assert before.shape == (2, 9, 40)
    assert not torch.equal(model(ids), before)
