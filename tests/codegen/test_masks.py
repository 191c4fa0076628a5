"""What a mask says: errors where it cannot be one, and no graph of its own for any length."""

from __future__ import annotations

import importlib
import re
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from conftest import ROOT, Builder
from torch import Tensor
from torch._dynamo.testing import CompileCounter

IDS = torch.randint(64, (2, 9), generator=torch.Generator().manual_seed(0))
REAL = torch.ones(2, 9)
REAL[1, 5:] = 0
KINDS = """archspec: 1
name: kinds
vocab_size: 64
hidden_size: 16
context_length: 64
blocks:
  whole: {mixer: {type: attention, heads: 2, head_dim: 8, sinks: true, rope: {theta: 100}}}
  window: {mixer: {type: attention, heads: 2, head_dim: 8, window: 5}}
  chunk: {mixer: {type: attention, heads: 2, head_dim: 8, chunk: 6}}
  sloped: {mixer: {type: attention, heads: 2, head_dim: 8, alibi: true}}
  relative: {mixer: {type: attention, heads: 2, head_dim: 8, relative_bias: {max_distance: 12}}}
  capped: {mixer: {type: attention, heads: 2, head_dim: 8, softcap: 4, window: 7}}
  blocks:
    mixer:
      type: attention
      heads: 2
      head_dim: 8
      block_sparse: {size: 16, local: 1, stride: 3, first: 1}
layers: whole, window, chunk, sloped, relative, capped, blocks
head: {tied: true}
"""


@pytest.fixture(scope="module")
def model(builder: Builder) -> Any:
    torch.manual_seed(0)
    model = builder.load(KINDS).Model().eval()
    for parameter in model.parameters():
        parameter.data.add_(torch.randn_like(parameter) * 0.3)
    return model


@pytest.fixture(scope="module")
def pair(builder: Builder) -> Any:
    text = (ROOT / "examples/encoder-decoder.yaml").read_text(encoding="utf-8")
    return builder.load(text).Model().eval()


@torch.no_grad()
@pytest.mark.parametrize("dtype", [torch.bool, torch.int64, torch.int32, torch.float16])
def test_a_mask_may_have_any_type(model: Any, dtype: torch.dtype) -> None:
    expected = model(IDS, attention_mask=REAL.bool())
    assert torch.equal(model(IDS, attention_mask=REAL.to(dtype)), expected)


ADDED = {
    "-inf": REAL.log(),
    "-1e+09": (1 - REAL) * -1e9,
    "0 alone": torch.zeros(2, 9),  # what is added where nothing is hidden
    "2": REAL.long() * 2,
}


@pytest.mark.parametrize("found", ADDED)
def test_a_mask_that_is_added_to_scores_is_refused(model: Any, found: str) -> None:
    with pytest.raises(ValueError, match=f"the mask holds {re.escape(found)}: it is 1 for a real"):
        model(IDS, attention_mask=ADDED[found])


@pytest.mark.parametrize("size", [(2, 8), (2, 10), (1, 9), (9,), (2, 1, 9, 9)], ids=str)
def test_a_mask_of_another_shape_is_refused(model: Any, pair: Any, size: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"the mask is \(.*\), not \(2, 9\) as the tokens are"):
        model(IDS, attention_mask=torch.ones(size))
    for name in ("attention_mask", "decoder_attention_mask"):
        with pytest.raises(ValueError, match=r"the mask is .*, not \(2, 9\) as the tokens are"):
            pair(IDS, IDS, **{name: torch.ones(size)})


@torch.no_grad()
@pytest.mark.parametrize("length", [8, 10])
def test_a_source_that_the_cache_has_no_room_for_is_refused(pair: Any, length: int) -> None:
    cache = pair.new_cache(2, 5, length)
    with pytest.raises(ValueError, match=f"a source of 9 tokens; the cache is for {length}"):
        pair(IDS, IDS[:, :3], cache=cache)
    assert pair(IDS[:, :8], IDS[:, :3], cache=pair.new_cache(2, 5, 8)).isfinite().all()


def test_the_loss_is_that_of_each_text_alone(model: Any) -> None:
    """No token is asked of padding, nor padding of a token, wherever padding lies."""
    real = torch.tensor([[1, 1, 0, 0, 1, 1, 1, 0, 1], [0, 0, 0, 1, 1, 1, 1, 0, 0]])
    found = model(IDS, attention_mask=real, labels=IDS)
    found.backward()
    gradients = [p.grad.clone() for p in model.parameters()]
    model.zero_grad()
    texts = [text[kept.bool()] for text, kept in zip(IDS, real, strict=True)]
    losses = [
        F.cross_entropy(model(text[None])[0, :-1], text[1:], reduction="none") for text in texts
    ]
    expected = torch.cat(losses).mean()
    expected.backward()
    torch.testing.assert_close(found, expected)
    for own, parameter in zip(gradients, model.parameters(), strict=True):
        torch.testing.assert_close(own, parameter.grad, atol=1e-5, rtol=1e-4)
    model.zero_grad()


@torch.no_grad()
def test_two_graphs_for_any_length(model: Any) -> None:
    torch.compiler.reset()
    counter = CompileCounter()
    compiled = torch.compile(model, fullgraph=True, backend=counter)
    for length in (5, 30, 3, 17, 40):
        ids = torch.arange(2 * length).view(2, length) % 64
        torch.testing.assert_close(compiled(ids), model(ids), atol=1e-5, rtol=1e-5)
    assert counter.frame_count <= 2


@torch.no_grad()
def test_three_graphs_for_any_number_of_tokens_after_padding(model: Any) -> None:
    torch.compiler.reset()
    counter = CompileCounter()
    compiled = torch.compile(model, fullgraph=True, backend=counter)
    caches = [model.new_cache(2, 20) for _ in range(2)]
    found: list[list[Tensor]] = [[], []]
    for run, cache, out in zip((model, compiled), caches, found, strict=True):
        out.append(run(IDS, attention_mask=REAL.long(), cache=cache)[REAL.bool()])
        out.extend(run(IDS[:, :1] + t, cache=cache) for t in range(6))
    for own, other in zip(*found, strict=True):
        torch.testing.assert_close(own, other, atol=1e-5, rtol=1e-5)
    assert counter.frame_count <= 3


@torch.no_grad()
def test_an_export_with_a_mask_reads_texts_of_any_length(model: Any) -> None:
    tokens = torch.export.Dim("T", min=2, max=60)
    sizes = ({1: tokens}, {1: tokens})
    exported = torch.export.export(model, (IDS, REAL.long()), dynamic_shapes=sizes, strict=False)
    ids, real = IDS.repeat(1, 3), REAL.long().flip(1).repeat(1, 3)
    found = exported.module()(ids, real)
    torch.testing.assert_close(found, model(ids, attention_mask=real), atol=1e-5, rtol=1e-5)


BY_LENGTH = """archspec: 1
name: by-length
vocab_size: 64
hidden_size: 16
context_length: 64
defaults:
  mixer: &mixer
    type: attention
    heads: 2
    head_dim: 8
    rope: {theta: 100, scaling: {type: dynamic, factor: 2, original_context: 16}}
blocks:
  whole: {mixer: *mixer}
  window: {mixer: {window: 7}}
layers: whole, window
head: {tied: true}
"""


@torch.no_grad()
def test_a_rotation_by_length_goes_by_that_of_each_text(builder: Builder) -> None:
    """Padding is in all calls, some texts are read anew as they grow, others not yet."""
    torch.manual_seed(1)
    model = builder.load(BY_LENGTH).Model().double().eval()
    for parameter in model.parameters():
        parameter.add_(torch.randn_like(parameter) * 0.3)
    ids, mask = torch.randint(64, (3, 33)), torch.ones(3, 33, dtype=torch.long)
    mask[0, 25], mask[1, 3:12], mask[1, 20:23], mask[2, :2], mask[2, 12:20] = 0, 0, 0, 0, 0
    cache, end = model.new_cache(3, 33), 0
    sizes = [20, 5, *[1] * 8]
    for part, real in zip(ids.split(sizes, dim=1), mask.split(sizes, dim=1), strict=True):
        out, end = model(part, attention_mask=real, cache=cache), end + part.shape[1]
        for row, kept in enumerate(mask[:, :end].bool()):
            if kept[-1]:
                alone = model(ids[row, :end][kept][None])[0, -1]
                torch.testing.assert_close(out[row, -1], alone, atol=1e-10, rtol=0)


def test_selftest_of_a_model_that_sees_ahead_with_a_layer_that_does_not(builder: Builder) -> None:
    text = """archspec: 1
name: ahead
vocab_size: 64
hidden_size: 16
context_length: 64
blocks:
  back: {mixer: {type: short_conv, channels: 16, conv: 3}}
  both: {mixer: {type: attention, heads: 2, head_dim: 8, causal: false}}
layers: back, both
head: null
"""
    run = importlib.import_module(f"{builder.load(text).__name__}.selftest").run
    found, _ = run()
    assert len(found) == 4 and max(found.values()) < 1e-4
