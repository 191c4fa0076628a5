"""Relative biases and sinusoids beside transformers' own functions and the equations."""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any

import pytest
import torch
from conftest import Builder
from torch import Tensor, nn
from transformers.models.ctrl.modeling_ctrl import positional_encoding
from transformers.models.distilbert.modeling_distilbert import create_sinusoidal_embeddings
from transformers.models.t5.modeling_t5 import T5Attention
from transformers.models.whisper.modeling_whisper import sinusoids
from transformers.models.xglm.modeling_xglm import XGLMSinusoidalPositionalEmbedding
from written_out import Bias, View, written_out

SPEC = """archspec: 1
name: relative
vocab_size: 40
hidden_size: 16
context_length: 64
blocks:
  block:
    mixer:
      type: attention
      heads: 4
      head_dim: 4
      causal: {causal}
      relative_bias: {{{fields}}}
layers: 2 x block
head: null
"""
SHARED = {"shared": "", "each": ", shared: false"}


def built(builder: Builder, fields: str, causal: bool) -> ModuleType:
    return builder.load(SPEC.format(fields=fields, causal=str(causal).lower()))


def in_file(package: ModuleType, name: str) -> Any:
    return importlib.import_module(f"{package.__name__}.{name}")


@pytest.mark.parametrize("length", [1, 2, 7, 200])
@pytest.mark.parametrize(
    ("buckets", "furthest"), [(32, 128), (16, 24), (8, 9), (6, 5), (4, 2), (4, 1000), (10, 64)]
)
def test_buckets_are_those_of_t5(
    buckets: int, furthest: int, length: int, builder: Builder
) -> None:
    bucket = T5Attention._relative_position_bucket
    fields = f"buckets: {buckets}, max_distance: {furthest}"
    table = torch.randn(buckets, 4, generator=torch.Generator().manual_seed(0))
    if buckets // 2 < furthest:
        attend = in_file(built(builder, fields, True), "attend")
        rows = bucket(-torch.arange(length), False, buckets, furthest)
        found = attend.by_bucket(table, length, furthest=furthest)
        place = torch.arange(length).clamp(max=found.shape[1] - 1)  # what is further, as the last
        assert torch.equal(found[:, place], table[rows].T)
    attend = in_file(built(builder, fields, False), "attend")
    rows = bucket(torch.arange(length - 1, -length, -1), True, buckets, furthest)
    found = attend.by_bucket_both(table, length, furthest=furthest)
    side = found.shape[1] // 2
    place = torch.arange(1 - length, length).clamp(-side, side) + side
    assert torch.equal(found[:, place], table[rows].T)


def by_bucket(buckets: int, furthest: int, causal: bool, table: Any) -> Bias:
    def bias(own: nn.Module, back: int) -> Tensor:
        row = T5Attention._relative_position_bucket(
            torch.tensor(-back), not causal, buckets, furthest
        )
        return table(own)[row]

    return bias


def by_distance(furthest: int, table: Any) -> Bias:
    """The first rows are for 0, 1, … tokens back, the second half for as many ahead."""

    def bias(own: nn.Module, back: int) -> Tensor:
        row = min(abs(back), furthest - 1)
        return table(own)[row + furthest if back < 0 else row]

    return bias


@torch.no_grad()
@pytest.mark.parametrize("shared", SHARED)
@pytest.mark.parametrize("kind", ["buckets", "each"])
@pytest.mark.parametrize("causal", [True, False], ids=["causal", "both"])
def test_a_model_is_as_the_equations_say(
    causal: bool, kind: str, shared: str, builder: Builder
) -> None:
    fields = "max_distance: 6" + (", buckets: 8" if kind == "buckets" else "") + SHARED[shared]
    model = built(builder, fields, causal).Model().double().eval()
    torch.manual_seed(0)
    for parameter in model.parameters():
        nn.init.normal_(parameter, 0.5, 0.5)

    def table(own: Any) -> Tensor:
        return (model if shared == "shared" else own).relative_bias.weight

    bias = by_bucket(8, 6, causal, table) if kind == "buckets" else by_distance(6, table)
    ids = torch.randint(40, (2, 15), generator=torch.Generator().manual_seed(1))
    view = View(causal=causal, bias=bias)
    expected = torch.stack([written_out(model, text, view) for text in ids])
    torch.testing.assert_close(model(ids), expected, atol=1e-10, rtol=0)
    mask = torch.ones_like(ids)
    mask[1, :4] = 0
    found = model(ids, attention_mask=mask)[1, 4:]
    torch.testing.assert_close(found, written_out(model, ids[1, 4:], view), atol=1e-10, rtol=0)
    if causal:
        cache = model.new_cache(2, 15)
        parts = [model(part, cache=cache) for part in ids.split([8, 1, 1, 3, 1, 1], dim=1)]
        torch.testing.assert_close(torch.cat(parts, 1), expected, atol=1e-10, rtol=0)


WIDTH, ROWS = 24, 50


def interleaved(rows: int, width: int) -> Tensor:
    return create_sinusoidal_embeddings(rows, width, torch.empty(rows, width))


TABLES = {
    "whisper": ("layout: halves, ends: true", lambda: sinusoids(ROWS, WIDTH)),
    "xglm": (
        "layout: halves, ends: true, offset: 2",
        lambda: XGLMSinusoidalPositionalEmbedding.get_embedding(ROWS + 2, WIDTH, 1)[2:],
    ),
    "ctrl": ("layout: halves", lambda: positional_encoding(ROWS, WIDTH, torch.float32)),
    "distilbert": ("layout: interleaved", lambda: interleaved(ROWS, WIDTH)),
}
SINUSOIDS = """archspec: 1
name: sinusoids
vocab_size: 40
hidden_size: 24
context_length: 64
embedding: {{positions: {{type: sinusoidal, {fields}}}}}
blocks:
  block: {{mixer: {{type: attention, heads: 4, head_dim: 4}}}}
layers: block
head: null
"""


@torch.no_grad()
@pytest.mark.parametrize("name", TABLES)
def test_sinusoids_are_those_of_transformers(name: str, builder: Builder) -> None:
    fields, table = TABLES[name]
    model = builder.load(SINUSOIDS.format(fields=fields)).Model().eval()
    seen: list[Tensor] = []
    model.layers[0].register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    model.embed_tokens.weight.zero_()
    ids, mask = torch.zeros(2, ROWS, dtype=torch.long), torch.ones(2, ROWS)
    mask[1, :3] = 0
    model(ids, attention_mask=mask)
    torch.testing.assert_close(seen[0][0], table(), atol=1e-5, rtol=0)
    # In front of the layers padding is taken out: the real tokens of a row are its first.
    torch.testing.assert_close(seen[0][1, :-3], table()[:-3], atol=1e-5, rtol=0)
    cache = model.new_cache(1, ROWS)
    seen.clear()
    for part in ids[:1].split([30, 1, 19], dim=1):
        model(part, cache=cache)
    torch.testing.assert_close(torch.cat(seen, dim=1)[0], table(), atol=1e-5, rtol=0)
