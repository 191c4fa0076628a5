"""Texts packed into rows through a whole model: kernels agree with the model without them."""

from __future__ import annotations

import pytest
import torch
from conftest import Builder
from torch import Tensor
from twice import Twice

SPEC = """
archspec: 1
name: packed
vocab_size: 64
hidden_size: 32
context_length: 64
blocks:
  first:
    mixer: {{type: attention, heads: {heads}, kv_heads: 1, head_dim: 16, {more}}}
  second:
    extends: first
    mixer: {{window: null, chunk: null}}
layers: first, second
head: {{tied: true}}
"""
ROPE = "rope: {theta: 100}"
KINDS = {
    "window": SPEC.format(heads=3, more=f"window: 5, {ROPE}"),
    "chunk": SPEC.format(heads=3, more="chunk: 7"),
    "sinks": SPEC.format(heads=1, more=f"sinks: true, softcap: 2, {ROPE}, qk_norm: true"),
    "alibi": SPEC.format(heads=2, more="alibi: true"),
    "relative": SPEC.format(heads=2, more="relative_bias: {max_distance: 6}"),
    "gate": SPEC.format(heads=2, more="gate: {per: element}"),
}
LENGTHS = [[1, 11, 5, 3], [16, 4]]
IDS = (torch.arange(40) * 7 % 64).view(2, 20)
TEXT_IDS = torch.stack(
    [torch.arange(len(row)).repeat_interleave(torch.tensor(row)) for row in LENGTHS]
)


MASK = torch.ones_like(IDS)
MASK[1, :5] = 0


@pytest.fixture
def packed(
    request: pytest.FixtureRequest, builder: Builder, monkeypatch: pytest.MonkeyPatch
) -> Twice:
    return Twice(KINDS[request.param], builder, monkeypatch)


@pytest.mark.parametrize("packed", KINDS, indirect=True)
def test_kernels_keep_texts_apart(packed: Twice) -> None:
    def read() -> list[Tensor]:
        loss = packed.model(IDS, labels=IDS, text_ids=TEXT_IDS)
        padded = packed.learned(IDS, MASK, text_ids=TEXT_IDS)
        return [*packed.learned(IDS, text_ids=TEXT_IDS), *padded, loss.detach()]

    packed.agrees(read)


@pytest.mark.parametrize("packed", ["window"], indirect=True)
def test_packed_texts_leave_the_graph_whole(packed: Twice) -> None:
    packed.stays_whole(input_ids=IDS, text_ids=TEXT_IDS)
