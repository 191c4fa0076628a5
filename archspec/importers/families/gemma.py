"""Gemma (arXiv 2403.08295): wide heads, a scaled embedding, norms stored around zero."""

from __future__ import annotations

from archspec.importers.config import Config
from archspec.importers.family import Draft, Family
from archspec.importers.parts import activation, attention, feedforward, rmsnorm, uniform
from archspec.importers.rope import rope


def _describe(config: Config) -> Draft:
    bias = config.flag("attention_bias")
    # The first files say `gelu` and mean its approximation.
    first = config.value("hidden_act") == "gelu"
    block = {
        "mixer": attention(config, qkv_bias=bias, output_bias=bias, rope=rope(config)),
        "feedforward": feedforward(
            intermediate_size=config.size("intermediate_size"),
            activation="gelu_tanh" if first else activation(config),
        ),
    }
    norm = rmsnorm(config, zero_centered=True)
    return uniform(config, block, norm=norm, embedding={"scale": "sqrt(hidden_size)"})


GEMMA = Family(
    model_type="gemma",
    describe=_describe,
    defaults={
        "vocab_size": 256_000,
        "hidden_size": 3072,
        "intermediate_size": 24_576,
        "num_hidden_layers": 28,
        "num_attention_heads": 16,
        "num_key_value_heads": 16,
        "head_dim": 256,
        "hidden_act": "gelu_pytorch_tanh",
        "max_position_embeddings": 8192,
        "rms_norm_eps": 1e-6,
        "tie_word_embeddings": True,
    },
    only={"hidden_activation": "gelu_pytorch_tanh", "use_bidirectional_attention": False},
)
