"""Seed-OSS: Llama's layer with biases on queries, keys and values."""

from __future__ import annotations

from archspec.importers.config import Config
from archspec.importers.family import Draft, Family
from archspec.importers.parts import attention, gated_feedforward, rmsnorm, uniform
from archspec.importers.rope import rope


def _describe(config: Config) -> Draft:
    mixer = attention(
        config,
        qkv_bias=config.flag("attention_bias"),
        output_bias=config.flag("attention_out_bias"),
        rope=rope(config),
    )
    inner = gated_feedforward(config, bias=config.flag("mlp_bias"))
    return uniform(config, {"mixer": mixer, "feedforward": inner}, norm=rmsnorm(config))


SEED_OSS = Family(
    model_type="seed_oss",
    describe=_describe,
    defaults={
        "vocab_size": 155_136,
        "hidden_size": 4096,
        "intermediate_size": 27_648,
        "num_hidden_layers": 64,
        "num_attention_heads": 80,
        "num_key_value_heads": 8,
        "head_dim": 128,
        "hidden_act": "silu",
        "max_position_embeddings": 524_288,
        "rms_norm_eps": 1e-6,
        "attention_bias": True,
    },
    ignored=frozenset({"pretraining_tp", "residual_dropout"}),
)
