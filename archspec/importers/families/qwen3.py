"""Qwen3 (arXiv 2505.09388): a norm over each query and key head, biases only on request."""

from __future__ import annotations

from archspec.importers import layers
from archspec.importers.config import Config
from archspec.importers.families import qwen2
from archspec.importers.family import Draft, Family, Fields
from archspec.importers.parts import attention, decoder, gated_feedforward, rmsnorm
from archspec.importers.rope import rope


def _describe(config: Config) -> Draft:
    bias = config.flag("attention_bias")

    def block(kind: str) -> Fields:
        mixer = attention(
            config,
            window=layers.window_of(config, kind),
            qkv_bias=bias,
            output_bias=bias,
            qk_norm=True,
            rope=rope(config),
        )
        return {"mixer": mixer, "feedforward": gated_feedforward(config)}

    order, blocks = layers.blocks(qwen2.kinds(config), block)
    return decoder(config, order, blocks, norm=rmsnorm(config))


QWEN3 = Family(
    model_type="qwen3",
    describe=_describe,
    defaults={**qwen2.DEFAULTS, "head_dim": 128},
)
