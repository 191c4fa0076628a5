"""Factors stored with the weights do what their definition says, and every command keeps them."""

from __future__ import annotations

import importlib

import pytest
import torch
from conftest import Builder
from torch import Tensor, nn

import archspec
from archspec.language.source import parse
from archspec.numbers.diff import diff
from archspec.numbers.shrink import shrink

TEXT = """archspec: 1
name: scaled
vocab_size: 40
hidden_size: 16
context_length: 32
blocks:
  block:
    norm_position: NORMS
    residual_scale: RESIDUAL
    stream_scale: STREAM
    mixer: {type: attention, heads: 2, head_dim: 8, rope: {theta: 100}}
    feedforward: {type: dense, intermediate_size: 24, activation: silu, gated: true}
layers: 2 x block
head: {tied: true}
"""
KINDS = ["{per: channel, initial: 0.5}", "{per: layer, initial: 0.25}"]
BUFFER = "{per: channel, trained: false}"


def text(residual: str, stream: str, norms: str = "pre") -> str:
    made = TEXT.replace("RESIDUAL", residual).replace("STREAM", stream)
    return made.replace("NORMS", norms)


def by_definition(model: nn.Module, ids: Tensor, norms: str, step: object) -> Tensor:
    """Branch by branch x <- x + s N(f(N(x))), and x <- s x at the end of each layer."""
    x = model.embed_tokens.weight[ids]
    for layer in model.layers:
        own = dict(layer.state_dict(keep_vars=True).items())
        first = layer.self_attn(layer.input_layernorm(x), step, None)
        if norms == "sandwich":
            first = layer.post_attention_layernorm(first)
            before, after = layer.pre_feedforward_layernorm, layer.post_feedforward_layernorm
        else:
            before, after = layer.post_attention_layernorm, nn.Identity()
        x = x + own["self_attn_scale"] * first
        x = x + own["mlp_scale"] * after(layer.mlp(before(x)))
        x = own["layer_scale"] * x
    return model.norm(x) @ model.embed_tokens.weight.T


@pytest.mark.parametrize("norms", ["pre", "sandwich"])
@pytest.mark.parametrize("stream", [*KINDS, BUFFER])
@pytest.mark.parametrize("residual", KINDS)
def test_scales_multiply_what_they_say(
    residual: str, stream: str, norms: str, builder: Builder
) -> None:
    package = builder.load(text(residual, stream, norms))
    model = package.Model().double()
    torch.manual_seed(0)
    with torch.no_grad():
        for name, tensor in model.state_dict(keep_vars=True).items():
            tensor.add_(torch.randn_like(tensor) * (0.3 if name.endswith("scale") else 0.1))
    ids = torch.randint(40, (2, 9))
    step = package.step.make_step(0, 9, None, model.embed_tokens.weight)
    expected = by_definition(model, ids, norms, step)
    torch.testing.assert_close(model(ids), expected, atol=1e-12, rtol=1e-12)


@pytest.mark.parametrize("residual", KINDS)
def test_scales_start_where_they_are_told(residual: str, builder: Builder) -> None:
    model = builder.load(text(residual, "{per: channel, initial: 2}")).Model()
    start, size = (0.5, 16) if "channel" in residual else (0.25, 1)
    for layer in model.layers:
        assert torch.equal(layer.self_attn_scale, torch.full((size,), start))
        assert torch.equal(layer.mlp_scale, torch.full((size,), start))
        assert torch.equal(layer.layer_scale, torch.full((16,), 2.0))


def test_only_a_trained_scale_is_a_parameter(builder: Builder) -> None:
    model = builder.load(text(KINDS[0], BUFFER)).Model()
    model(torch.randint(40, (2, 9)), labels=torch.randint(40, (2, 9))).backward()
    trained = dict(model.named_parameters())
    assert trained["layers.0.self_attn_scale"].grad.abs().min() > 0
    assert trained["layers.1.mlp_scale"].grad.abs().min() > 0
    assert "layers.0.layer_scale" not in trained
    assert "layers.0.layer_scale" in model.state_dict()


@pytest.mark.parametrize("stream", [KINDS[0], BUFFER])
def test_shrink_keeps_them(stream: str) -> None:
    large = text(KINDS[0], stream).replace("hidden_size: 16", "hidden_size: 1024")
    small = archspec.loads(shrink(parse(large, "large")))
    (block,) = small.blocks
    scales = [*(branch.scale for branch in block.branches), block.scale]
    assert [scale and scale.channels for scale in scales] == [64, 64, 64]
    assert [scale and scale.value for scale in scales[:2]] == [0.5, 0.5]
    assert block.scale and block.scale.trained == (stream != BUFFER)


CHANGES = [
    ("residual_scale", (KINDS[0], KINDS[0]), (KINDS[1], KINDS[0])),
    ("residual_scale", (KINDS[0], KINDS[0]), ("0.5", KINDS[0])),
    ("residual_scale", (KINDS[0], KINDS[0]), ("null", KINDS[0])),
    ("stream_scale", (KINDS[0], KINDS[0]), (KINDS[0], "{per: channel, initial: 0.75}")),
    ("stream_scale", (KINDS[0], "{per: channel}"), (KINDS[0], BUFFER)),
    ("stream_scale", (KINDS[0], BUFFER), (KINDS[0], "null")),
]


@pytest.mark.parametrize(("field", "before", "after"), CHANGES)
def test_diff_names_them(field: str, before: tuple[str, str], after: tuple[str, str]) -> None:
    found = diff(archspec.loads(text(*before)), archspec.loads(text(*after)))
    assert found.changes
    assert all(field in change.path for change in found.changes)


@pytest.mark.parametrize("norms", ["pre", "sandwich"])
def test_a_mechanisms_own_factors_stand_beside_a_learned_one(norms: str, builder: Builder) -> None:
    """X + s · (o · M(f(i · N(x)))), for each mechanism of a layer, per-layer vectors too."""
    made = text("{per: channel, initial: 0.5}", "1", norms).replace(
        "rope: {theta: 100}}", "rope: {theta: 100}, input_scale: 0.75, output_scale: 3}"
    )
    made = made.replace(
        "layers:",
        "    per_layer_input: {width: 4, activation: silu, output_scale: 5, input_scale: 0.25}\n"
        "layers:",
    )
    made += "embedding: {per_layer: {width: 4}}\n"
    package = builder.load(made)
    torch.manual_seed(0)
    model = package.Model().double()
    ids = torch.randint(40, (2, 9))
    step = importlib.import_module(f"{package.__name__}.step").make_step(
        0, 9, None, model.embed_tokens.weight
    )
    x = model.embed_tokens(ids)
    vectors = model.layer_vectors(ids, x)
    for index, layer in enumerate(model.layers):
        names = ["input_layernorm", "post_attention_layernorm"]
        if norms == "sandwich":
            names += ["pre_feedforward_layernorm", "post_feedforward_layernorm"]
        held = [getattr(layer, name) for name in names]
        attention = layer.self_attn(0.75 * held[0](x), step, None)
        if norms == "sandwich":
            attention = held[1](attention)
        x = x + layer.self_attn_scale * (3 * attention)
        dense = layer.mlp(held[-2 if norms == "sandwich" else -1](x))
        if norms == "sandwich":
            dense = held[-1](dense)
        x = x + layer.mlp_scale * dense
        x = x + 5 * layer.per_layer(0.25 * x, vectors[:, :, index])
    expected = model.norm(x) @ model.embed_tokens.weight.T
    torch.testing.assert_close(model(ids), expected, atol=1e-12, rtol=1e-12)
