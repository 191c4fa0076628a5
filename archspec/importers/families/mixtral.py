"""Mixtral (arXiv 2401.04088): Mistral's layer with eight experts, two of them active."""

from __future__ import annotations

from archspec.importers import layers
from archspec.importers.checkpoint import layered
from archspec.importers.config import Config
from archspec.importers.experts import TRAINING, experts, sparse_block
from archspec.importers.family import Draft, Family
from archspec.importers.parts import attention, rmsnorm, uniform
from archspec.importers.rope import rope


def _describe(config: Config) -> Draft:
    block = {
        "mixer": attention(config, window=layers.window(config), rope=rope(config, 1e6)),
        "feedforward": experts(
            config, count="num_local_experts", width="intermediate_size", renormalize=True
        ),
    }
    checkpoint = {"prefix": "model.", "tensors": layered(sparse_block())}
    return uniform(config, block, norm=rmsnorm(config), checkpoint=checkpoint)


MIXTRAL = Family(
    model_type="mixtral",
    describe=_describe,
    defaults={
        "vocab_size": 32_000,
        "hidden_size": 4096,
        "intermediate_size": 14_336,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "hidden_act": "silu",
        "max_position_embeddings": 131_072,
        "rms_norm_eps": 1e-5,
        "num_experts_per_tok": 2,
        "num_local_experts": 8,
    },
    aliases={"num_experts": "num_local_experts"},
    ignored=TRAINING,
)
