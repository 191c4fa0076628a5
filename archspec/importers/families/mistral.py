"""Mistral (arXiv 2310.06825): Llama's layer, in the first releases with a window in every one."""

from __future__ import annotations

from archspec.importers import layers
from archspec.importers.config import Config
from archspec.importers.family import Draft, Family
from archspec.importers.parts import attention, decoder, gated_feedforward, rmsnorm
from archspec.importers.rope import rope


def _describe(config: Config) -> Draft:
    kind = layers.FULL if config.value("sliding_window") is None else layers.SLIDING
    block = {
        "mixer": attention(config, window=layers.window_of(config, kind), rope=rope(config)),
        "feedforward": gated_feedforward(config),
    }
    order = ["block"] * layers.count(config)
    return decoder(config, order, {"block": block}, norm=rmsnorm(config))


MISTRAL = Family(
    model_type="mistral",
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
        "rms_norm_eps": 1e-6,
        "sliding_window": 4096,
    },
)
