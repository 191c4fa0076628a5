"""How a built model is called beside ids and a mask, and what holds when its layers are changed."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest
import torch
from conftest import ROOT, Builder, Case
from torch import nn

IDS = torch.tensor([[3, 1, 4, 1, 5, 9, 2], [6, 5, 3, 5, 8, 9, 7]])


@pytest.fixture(scope="module")
def case(builder: Builder) -> Case:
    return Case(ROOT / "examples/local-global.yaml", builder)


@pytest.fixture
def model(case: Case) -> Any:
    torch.manual_seed(0)
    return case.package.Model().eval()


def decoded(model: Any) -> torch.Tensor:
    cache = model.new_cache(2, IDS.shape[1])
    assert len(cache.layers) == len(model.layers)
    return torch.cat([model(ids, cache=cache) for ids in IDS.split([4, 1, 1, 1], dim=1)], dim=1)


@torch.no_grad()
def test_a_layer_is_taken_out_and_another_put_in_by_hand(model: Any) -> None:
    """Its cache is made for the layers that there are."""
    before = model(IDS)
    del model.layers[1]
    fewer = model(IDS)
    torch.testing.assert_close(decoded(model), fewer, atol=1e-5, rtol=1e-5)
    model.layers.insert(3, type(model.layers[0])())
    model.layers.append(type(model.layers[-1])())
    more = model(IDS)
    torch.testing.assert_close(decoded(model), more, atol=1e-5, rtol=1e-5)
    assert not torch.allclose(before, fewer) and not torch.allclose(fewer, more)
    assert model.generate(IDS, 2).shape == (2, 9)
    assert len(model.trace(IDS).hidden_states) == len(model.layers) + 1


@torch.no_grad()
def test_one_layer_object_at_two_depths(model: Any) -> None:
    model.layers = nn.ModuleList([model.layers[0], model.layers[-1], model.layers[0]])
    torch.testing.assert_close(decoded(model), model(IDS), atol=1e-5, rtol=1e-5)
    assert len(model.trace(IDS).hidden_states) == 4


@torch.no_grad()
def test_vectors_go_through_a_cache_and_states_are_counted(model: Any) -> None:
    vectors = model.embed_tokens(IDS)
    cache = model.new_cache(2, 7)
    states = [model.hidden_states(inputs_embeds=x, cache=cache) for x in vectors.split([5, 2], 1)]
    assert cache.length == 7
    whole = model.hidden_states(inputs_embeds=vectors)
    torch.testing.assert_close(torch.cat(states, 1), whole, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(model.logits(whole), model(IDS), atol=1e-5, rtol=1e-4)


WRONG: dict[str, tuple[dict[str, Any], type[Exception], str]] = {
    "both": ({"input_ids": IDS, "inputs_embeds": torch.ones(2, 7, 8)}, TypeError, "both are given"),
    "neither": ({}, TypeError, "neither is given; expected one of input_ids and inputs_embeds"),
    "width": ({"inputs_embeds": torch.ones(2, 7, 8)}, ValueError, r"\(2, 7, 8\); expected \(B, T"),
    "ids": ({"inputs_embeds": IDS}, TypeError, "inputs_embeds is a tensor of torch.int64"),
    "positions": (
        {"input_ids": IDS, "position_ids": IDS[:1]},
        ValueError,
        r"position_ids has the shape \(1, 7\); expected \(2, 7\), that of input_ids",
    ),
    "reduction": (
        {"input_ids": IDS, "labels": IDS, "reduction": "avg"},
        ValueError,
        "reduction is 'avg'; expected 'mean', 'sum' or 'none'",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_read_is_said(name: str, model: Any) -> None:
    given, error, message = WRONG[name]
    with pytest.raises(error, match=message):
        model(**given)


def test_positions_without_a_row_are_refused(builder: Builder) -> None:
    model: Any = Case(ROOT / "gallery/gpt2.yaml", builder).package.Model()
    rows = model.embed_positions.weight.shape[0]
    with pytest.raises(ValueError, match=f"position_ids has {rows}; the model has 0 … {rows - 1}"):
        model(IDS, position_ids=IDS + rows - IDS.max())
    with pytest.raises(TypeError, match="position_ids is a tensor of torch"):
        model(IDS, position_ids=IDS / 2)


GROWING = """
archspec: 1
name: growing
vocab_size: 32
hidden_size: 16
context_length: 64
blocks:
  block:
    mixer:
      type: attention
      heads: 2
      head_dim: 8
      rope: {theta: 10_000, scaling: {type: dynamic, factor: 2, original_context: 8}}
layers: 2 x block
head: {tied: true}
"""


@torch.no_grad()
def test_a_cache_that_is_read_anew_takes_ids_alone(builder: Builder) -> None:
    """The length of a text turns all of it, and what is kept of it by then is its ids."""
    model: Any = builder.load(GROWING).Model().eval()
    vectors = model.embed_tokens(IDS)
    for given in ({"inputs_embeds": vectors}, {"input_ids": IDS, "position_ids": IDS}):
        with pytest.raises(ValueError, match="a cache of this model keeps ids alone"):
            model(**given, cache=model.new_cache(2, 7))
    long = IDS.repeat(1, 2)
    torch.testing.assert_close(model(inputs_embeds=model.embed_tokens(long)), model(long))
    counted = torch.arange(14).expand(2, -1)
    torch.testing.assert_close(model(long, position_ids=counted), model(long))


@torch.no_grad()
def test_vectors_of_sources_and_of_what_is_written(builder: Builder) -> None:
    model: Any = Case(ROOT / "examples/encoder-decoder.yaml", builder).package.Model().eval()
    expected = model(IDS[:, :5], IDS)
    source, text = model.embed_tokens(IDS[:, :5]), model.embed_tokens(IDS)
    found = model(inputs_embeds=source, decoder_inputs_embeds=text)
    torch.testing.assert_close(found, expected)
    states = model.hidden_states(IDS[:, :5], IDS)
    torch.testing.assert_close(model.logits(states), expected)


@torch.no_grad()
def test_sentences_are_pooled_as_their_models_do(builder: Builder) -> None:
    """The mean of the real tokens, or the first of them, wherever padding is."""
    package: ModuleType = Case(ROOT / "gallery/all-minilm-l6-v2.yaml", builder).package
    model: Any = package.Model().eval()
    mask = torch.tensor([[1, 1, 1, 1, 1, 0, 0], [0, 1, 1, 1, 1, 1, 1]])
    states, real = model(IDS, mask), mask[..., None]
    # https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2, mean_pooling
    mean = (states * real).sum(1) / real.sum(1).clamp(min=1e-9)
    expected = nn.functional.normalize(mean, p=2, dim=1)
    torch.testing.assert_close(model.encode(IDS, mask), expected)
    torch.testing.assert_close(model.encode(IDS, mask, normalize=False), mean)
    first = torch.stack((states[0, 0], states[1, 1]))
    torch.testing.assert_close(model.encode(IDS, mask, pooling="cls", normalize=False), first)
    torch.testing.assert_close(
        model.encode(IDS, pooling="mean", normalize=False), model(IDS).mean(dim=1)
    )
    with pytest.raises(ValueError, match="pooling is 'max'; expected 'mean' or 'cls'"):
        model.encode(IDS, pooling="max")
