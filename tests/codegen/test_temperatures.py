"""Queries that grow with their position, beside transformers' functions and the formulas."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import pytest
import torch
from conftest import Builder
from torch import Tensor
from transformers.models.beam import modeling_beam
from transformers.models.mistral_large4 import modeling_mistral_large4

SPEC = """archspec: 1
name: growing
vocab_size: 32
hidden_size: 16
context_length: 64
blocks:
  block: {mixer: {type: attention, heads: 4, head_dim: 4MORE}}
layers: block
head: {tied: true}
"""
TOKENS = 40
POSITIONS = torch.arange(TOKENS)


def queries(package: ModuleType, prepare: Callable[[object], None]) -> Tensor:
    """What a layer's attention is called with, for tokens at `POSITIONS`."""
    torch.manual_seed(0)
    model = package.Model()
    prepare(model.layers[0].self_attn)
    caught: list[Tensor] = []

    def catch(q: Tensor, k: Tensor, v: Tensor, *rest: object, **options: object) -> Tensor:
        caught.append(q)
        return torch.zeros_like(q)

    own = package.attention.attend_causal
    package.attention.attend_causal = catch
    try:
        model(torch.ones(1, TOKENS, dtype=torch.long))
    finally:
        package.attention.attend_causal = own
    return caught[0]


def growth(builder: Builder, temperature: str, learned: Tensor | None = None) -> Tensor:
    """What queries are multiplied by, (H, T)."""

    def prepare(attention: object) -> None:
        if learned is not None and hasattr(attention, "temperature_scale"):
            attention.temperature_scale.data = learned[0]
            attention.temperature_bias.data = learned[1]  # type: ignore[attr-defined]

    with torch.no_grad():
        grown, plain = (
            queries(builder.load(SPEC.replace("MORE", more)), prepare)
            for more in (f", temperature: {temperature}", "")
        )
    return (grown / plain)[0, :, :, 0]


def test_power(builder: Builder) -> None:
    found = growth(builder, "{type: power, original_context: 2048, exponent: 0.1}")
    expected = modeling_beam.compute_attention_scaling(POSITIONS[None])[0, 0, :, 0]
    torch.testing.assert_close(found, expected.expand(4, -1), atol=1e-5, rtol=1e-5)


def test_learned(builder: Builder) -> None:
    theirs = modeling_mistral_large4.MistralLarge4TextSoftmaxScaling(4)
    learned = torch.randn(2, 4)
    theirs.scale.data, theirs.bias.data = learned[0], learned[1]
    found = growth(builder, "{type: learned}", learned)
    with torch.no_grad():
        expected = theirs(torch.ones(1, 4, TOKENS, 1), POSITIONS[None], head_dim_first=True)
    torch.testing.assert_close(found, expected[0, :, :, 0], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("temperature", "formula"),
    [
        (
            "{type: log_clipped, original_context: 8, scale: 0.3}",
            lambda p: 1 + 0.3 * torch.log(((p + 1) / 8).clamp(min=1)),
        ),
        (
            "{type: log_floor, floor: 8, scale: 0.3}",
            lambda p: 1 + 0.3 * torch.log(torch.floor((p + 1) / 8) + 1),
        ),
        (
            "{type: log_position, original_context: 8, scale: 0.3}",
            lambda p: 1 + 0.3 * torch.log(1 + torch.floor(p / 8)),
        ),
    ],
    ids=["clipped", "floor", "position"],
)
def test_formulas(builder: Builder, temperature: str, formula: Callable[[Tensor], Tensor]) -> None:
    expected = formula(POSITIONS.double()).float().expand(4, -1)
    torch.testing.assert_close(growth(builder, temperature), expected, atol=1e-5, rtol=1e-5)


def test_the_last_dimensions_turn_as_the_first_would(builder: Builder) -> None:
    """Scores do not know the order of dimensions that queries and keys have in common."""
    rope = ", rope: {theta: 100, fraction: 0.5, last: LAST}"
    first, last = (
        builder.load(SPEC.replace("MORE", rope.replace("LAST", x))) for x in ("false", "true")
    )
    torch.manual_seed(0)
    model, other = first.Model(), last.Model()
    other.load_state_dict(model.state_dict())
    for name in ("q_proj", "k_proj"):
        weight = getattr(model.layers[0].self_attn, name).weight.data.normal_()
        rolled = weight.view(4, 4, 16).roll(2, dims=1).flatten(0, 1)
        getattr(other.layers[0].self_attn, name).weight.data = rolled
    ids = torch.randint(32, (2, TOKENS))
    torch.testing.assert_close(model(ids), other(ids), atol=1e-5, rtol=1e-5)
