"""Mechanisms whose numbers follow from their layer's index: every stack counts its own layers."""

from __future__ import annotations

import importlib
from types import ModuleType

import pytest
import torch
from conftest import Builder

import archspec
from archspec.codegen import build
from archspec.errors import SpecError

HEAD = """archspec: 1
name: depths
vocab_size: 50
hidden_size: 16
context_length: 64
head: {tied: true}
"""
SLOPES = "type: linear_attention, heads: 2, key_head_dim: 8, decay: {type: slopes, factor: 1.25"
FALL = 0.25
FULL = "{mixer: {type: attention, heads: 2, kv_heads: 2, head_dim: 8}}"
FALLING = f"{{mixer: {{{SLOPES}, fall: {FALL}}}}}}}"


def fixed(index: int) -> str:
    """The same block for one layer, its factor written out."""
    return f"{{mixer: {{{SLOPES.replace('1.25', str(1.25 - FALL * index))}}}}}}}"


def spec(blocks: dict[str, str], layers: str, more: str = "") -> str:
    lines = "".join(f"  {name}: {fields}\n" for name, fields in blocks.items())
    return f"{HEAD}blocks:\n{lines}layers: {layers}\n{more}"


def agree(builder: Builder, text: str, written_out: str) -> ModuleType:
    """Assert that two specs build the same model; returns the first one's package."""
    packages = builder.load(text), builder.load(written_out)
    torch.manual_seed(0)
    ours, other = (package.Model().double() for package in packages)
    for parameter in ours.parameters():
        parameter.data.normal_(std=0.3)
    other.load_state_dict(ours.state_dict())
    ids = torch.randint(50, (2, 11))
    torch.testing.assert_close(ours(ids), other(ids), atol=1e-12, rtol=1e-12)
    cache = ours.new_cache(2, 11)
    parts = [ours(part, cache=cache) for part in ids.split([7, 1, 1, 1, 1], dim=1)]
    torch.testing.assert_close(torch.cat(parts, 1), other(ids), atol=1e-10, rtol=1e-10)
    return packages[0]


def passes(package: ModuleType) -> None:
    assert importlib.import_module(f"{package.__name__}.selftest").main() == 0


def test_layers_of_one_class_fade_as_their_index_says(builder: Builder) -> None:
    package = agree(
        builder,
        spec({"a": FALLING}, "4 x a"),
        spec({f"a{i}": fixed(i) for i in range(4)}, "a0, a1, a2, a3"),
    )
    assert [layer.self_attn.factor for layer in package.Model().layers] == [1.25, 1.0, 0.75, 0.5]
    passes(package)


def test_the_index_counts_layers_of_every_kind(builder: Builder) -> None:
    more = (
        FALLING[:-1]
        + ", feedforward: {type: dense, intermediate_size: 8, activation: silu, gated: true}}"
    )
    dense = [fixed(i)[:-1] + more[len(FALLING) - 1 :] for i in range(4)]
    package = agree(
        builder,
        spec({"full": FULL, "a": FALLING, "b": more}, "b, full, a, b"),
        spec({"full": FULL, "a": fixed(2), "b0": dense[0], "b3": dense[3]}, "b0, full, a, b3"),
    )
    passes(package)


def test_further_tokens_stand_after_the_last_layer(builder: Builder) -> None:
    mtp = "mtp: {depth: 2, block: a, loss_weight: 0.3}\n"
    package = builder.load(spec({"full": FULL, "a": FALLING}, "a, full", mtp))
    model = package.Model()
    assert [module.layer.self_attn.factor for module in model.mtp] == [0.75, 0.5]
    ids = torch.randint(50, (2, 11))
    assert model(ids, labels=ids).isfinite()
    passes(package)


def test_an_encoder_counts_its_own_layers(builder: Builder) -> None:
    both = f"{{type: attention, heads: 2, kv_heads: 2, head_dim: 8, causal: false}}, {{{SLOPES}"
    blocks = {
        "reads": f"{{mixer: [{both}, fall: {FALL}}}}}]}}",
        "writes": FALLING[:-1]
        + ", cross_attention: {type: attention, source: encoder, heads: 2, kv_heads: 2, "
        "head_dim: 8, causal: false}}",
    }
    text = spec(blocks, "2 x writes", "encoder: {layers: 3 x reads}\n")
    package = builder.load(text)
    model = package.Model()
    factors = [layer.self_attn_2.factor for layer in model.encoder.layers]
    assert factors == [1.25, 1.0, 0.75]
    assert [layer.self_attn.factor for layer in model.layers] == [1.25, 1.0]
    passes(package)


def test_what_does_not_read_its_depth_is_built_as_ever(builder: Builder) -> None:
    text = spec({"a": fixed(0)}, "2 x a")
    files = build(archspec.loads(text), text, "spec.yaml")
    assert "index: int" not in "".join(files[f] for f in ("model.py", "linear_attention.py"))
    assert "nn.ModuleList(layer() for layer in LAYERS)" in files["model.py"]


@pytest.mark.parametrize(
    ("text", "path", "layer"),
    [
        (spec({"a": FALLING}, "6 x a"), "blocks.a.mixer.decay.fall", 5),
        (spec({"full": FULL, "a": FALLING}, "full, 6 x a, full"), "blocks.a.mixer.decay.fall", 6),
        (
            spec({"a": FALLING}, "5 x a", "mtp: {depth: 1, block: a, loss_weight: 0.1}\n"),
            "blocks.a.mixer.decay.fall",
            5,
        ),
        (
            spec({"a": f"{{mixer: [{FULL[8:-1]}, {FALLING[8:-1]}]}}"}, "6 x a"),
            "blocks.a.mixer.1.decay.fall",
            5,
        ),
    ],
    ids=["all", "among others", "mtp", "beside"],
)
def test_a_slope_that_would_vanish_is_an_error_at_its_value(
    text: str, path: str, layer: int
) -> None:
    with pytest.raises(SpecError) as caught:
        archspec.loads(text)
    (problem,) = caught.value.diagnostics
    assert problem.path == path
    assert f"layer {layer} would have" in problem.message
    assert problem.mark is not None
    line = text.splitlines()[problem.mark.line - 1]
    assert line[problem.mark.column - 1 :].startswith(str(FALL))


def test_the_last_layer_may_come_close() -> None:
    assert archspec.loads(spec({"a": FALLING}, "5 x a")).layers[4].index == 4
