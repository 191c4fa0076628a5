"""Rotary tables against transformers' own, for each way to stretch them."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from conftest import Builder
from torch import Tensor
from transformers import LlamaConfig
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding

pytestmark = pytest.mark.filterwarnings("ignore")

DIM, THETA, CONTEXT = 32, 10_000.0, 512
SPEC = """
archspec: 1
name: rotary
vocab_size: 64
hidden_size: 32
context_length: 512
blocks:
  block: {{mixer: {{type: attention, heads: 1, head_dim: 32, rope: {rope}}}}}
layers: block
head: null
"""
SHORT = [1.0 + 0.1 * i for i in range(DIM // 2)]
LONG = [2.0 + 0.5 * i for i in range(DIM // 2)]
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "default": ("{theta: 10_000}", {"rope_type": "default"}),
    "linear": (
        "{theta: 10_000, scaling: {type: linear, factor: 4}}",
        {"rope_type": "linear", "factor": 4.0},
    ),
    "dynamic": (
        "{theta: 10_000, scaling: {type: dynamic, factor: 4, original_context: 128}}",
        {"rope_type": "dynamic", "factor": 4.0, "original_max_position_embeddings": 128},
    ),
    "llama3": (
        "{theta: 10_000, scaling: {type: llama3, factor: 8, low_frequency_factor: 1, "
        "high_frequency_factor: 4, original_context: 128}}",
        {
            "rope_type": "llama3",
            "factor": 8.0,
            "low_freq_factor": 1.0,
            "high_freq_factor": 4.0,
            "original_max_position_embeddings": 128,
        },
    ),
    "llama3-step": (
        "{theta: 10_000, scaling: {type: llama3, factor: 8, low_frequency_factor: 1, "
        "high_frequency_factor: 1, original_context: 128}}",
        {
            "rope_type": "llama3",
            "factor": 8.0,
            "low_freq_factor": 1.0,
            "high_freq_factor": 1.0,
            "original_max_position_embeddings": 128,
        },
    ),
    "yarn": (
        "{theta: 10_000, scaling: {type: yarn, factor: 8, original_context: 64}}",
        {"rope_type": "yarn", "factor": 8.0, "original_max_position_embeddings": 64},
    ),
    "yarn-untruncated": (
        "{theta: 10_000, scaling: {type: yarn, factor: 8, original_context: 64, truncate: false, "
        "attention_factor: 1.25}}",
        {
            "rope_type": "yarn",
            "factor": 8.0,
            "original_max_position_embeddings": 64,
            "truncate": False,
            "attention_factor": 1.25,
        },
    ),
    # Kimi K2's: from one pair to the next, as trained and then all stretched.
    "yarn-step": (
        "{theta: 50_000, scaling: {type: yarn, factor: 32, original_context: 4096, beta_fast: 1, "
        "beta_slow: 1}}",
        {
            "rope_type": "yarn",
            "rope_theta": 50_000.0,
            "factor": 32.0,
            "original_max_position_embeddings": 4096,
            "beta_fast": 1.0,
            "beta_slow": 1.0,
        },
    ),
    "yarn-step-untruncated": (
        "{theta: 10_000, scaling: {type: yarn, factor: 8, original_context: 64, beta_fast: 2, "
        "beta_slow: 2, truncate: false}}",
        {
            "rope_type": "yarn",
            "factor": 8.0,
            "original_max_position_embeddings": 64,
            "beta_fast": 2.0,
            "beta_slow": 2.0,
            "truncate": False,
        },
    ),
    "longrope": (
        "{theta: 10_000, scaling: {type: longrope, original_context: 128, "
        f"short_factors: {SHORT}, long_factors: {LONG}, attention_factor: 1.19}}}}",
        {
            "rope_type": "longrope",
            "short_factor": SHORT,
            "long_factor": LONG,
            "factor": 4.0,
            "attention_factor": 1.19,
            "original_max_position_embeddings": 128,
        },
    ),
    "proportional": (
        "{theta: 10_000, fraction: 0.25, proportional: true}",
        {"rope_type": "proportional", "partial_rotary_factor": 0.25},
    ),
}


def theirs(options: dict[str, Any], length: int) -> tuple[Tensor, Tensor]:
    """Cosine and sine (T, DIM / 2) as transformers computes them for a text of `length` tokens."""
    context = options.get("original_max_position_embeddings", CONTEXT)
    limit = context if options["rope_type"] == "dynamic" else CONTEXT
    config = LlamaConfig(
        hidden_size=DIM,
        num_attention_heads=1,
        head_dim=DIM,
        max_position_embeddings=limit,
        rope_parameters={"rope_theta": THETA, **options},
    )
    kind = options["rope_type"]
    if kind == "default":
        frequency, factor = LlamaRotaryEmbedding.compute_default_rope_parameters(config)
    else:
        frequency, factor = ROPE_INIT_FUNCTIONS[kind](config, "cpu", seq_len=length)
    angle = torch.arange(length).float()[:, None] * frequency
    return angle.cos() * factor, angle.sin() * factor


@pytest.mark.parametrize("length", [60, 400])
@pytest.mark.parametrize("case", CASES)
def test_table(builder: Builder, case: str, length: int) -> None:
    rope, options = CASES[case]
    package = builder.load(SPEC.format(rope=rope))
    step = package.step.make_step(0, length, None, torch.zeros(1))
    expected = theirs(options, length)
    for found, want in zip(step.rotary, expected, strict=True):
        torch.testing.assert_close(found[0, 0, :, DIM // 2 :], want, atol=2e-5, rtol=0)


def test_ntk_stretches_the_slowest_rotation(builder: Builder) -> None:
    """The slowest pair turns `factor` times slower, the fastest as before (2309.00071, 3.1)."""
    plain = builder.load(SPEC.format(rope="{theta: 10_000}"))
    rope = "{theta: 10_000, scaling: {type: ntk, factor: 4}}"
    stretched = builder.load(SPEC.format(rope=rope))
    step = plain.step.make_step(0, 2, None, torch.zeros(1, dtype=torch.float64))
    slower = stretched.step.make_step(0, 2, None, torch.zeros(1, dtype=torch.float64))
    angle, less = (s.rotary[1][0, 0, 1, DIM // 2 :].asin() for s in (step, slower))
    assert angle[-1] / less[-1] == pytest.approx(4.0, rel=1e-4)
    assert angle[0] / less[0] == pytest.approx(1.0)
