"""Llama (arXiv 2302.13971, 2407.21783): rotary positions, grouped queries, a gated feed-forward."""

from __future__ import annotations

from archspec.importers import layers
from archspec.importers.config import Config
from archspec.importers.family import Draft, Family
from archspec.importers.parts import attention, decoder, gated_feedforward, rmsnorm
from archspec.importers.rope import rope


def _describe(config: Config) -> Draft:
    bias = config.flag("attention_bias")
    block = {
        "mixer": attention(config, qkv_bias=bias, output_bias=bias, rope=rope(config)),
        "feedforward": gated_feedforward(config, bias=config.flag("mlp_bias")),
    }
    order = ["block"] * layers.count(config)
    return decoder(config, order, {"block": block}, norm=rmsnorm(config))


LLAMA = Family(
    model_type="llama",
    describe=_describe,
    defaults={
        "vocab_size": 32_000,
        "hidden_size": 4096,
        "intermediate_size": 11_008,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "hidden_act": "silu",
        "max_position_embeddings": 2048,
        "rms_norm_eps": 1e-6,
    },
    # How the sums of a matrix product were grouped in training.
    ignored=frozenset({"pretraining_tp"}),
)
