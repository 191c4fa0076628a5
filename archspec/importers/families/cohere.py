"""Command R and Command R7B: both branches read one norm, and the logits are scaled."""

from __future__ import annotations

from typing import Any

from archspec.importers import layers
from archspec.importers.config import Config
from archspec.importers.family import Draft, Family, Fields
from archspec.importers.parts import attention, decoder, gated_feedforward, layernorm, uniform
from archspec.importers.rope import THETA, rope


def _first(config: Config) -> Draft:
    qk_norm: Fields = {"scope": "each_head"}
    block = _block(
        config,
        qk_norm=qk_norm if config.flag("use_qk_norm") else False,
        rope=rope(config, 500_000.0, pairing="interleaved"),
    )
    norm = layernorm(config, bias=False)
    return uniform(config, block, norm=norm, head={"scale": config.number("logit_scale")})


def _second(config: Config) -> Draft:
    pattern = config.size_or("sliding_window_pattern", 4)
    types = layers.kinds(
        config, lambda index: layers.SLIDING if (index + 1) % pattern else layers.FULL
    )
    rotation = rope(config, THETA, pairing="interleaved")

    def block(kind: str) -> Fields:
        window = layers.window_of(config, kind)
        # The layers that see everything have no positions.
        return _block(config, window=window, rope=rotation if window else None)

    order, blocks = layers.blocks(types, block)
    return decoder(
        config,
        order,
        blocks,
        norm=layernorm(config, bias=False),
        head={"scale": config.number("logit_scale")},
    )


def _block(config: Config, **options: Any) -> Fields:
    bias = config.flag("attention_bias")
    return {
        "parallel": True,
        "shared_norm": True,
        "mixer": attention(config, qkv_bias=bias, output_bias=bias, **options),
        "feedforward": gated_feedforward(config),
    }


_SIZES = {
    "vocab_size": 256_000,
    "hidden_size": 8192,
    "intermediate_size": 22_528,
    "logit_scale": 0.0625,
    "num_hidden_layers": 40,
    "num_attention_heads": 64,
    "hidden_act": "silu",
    "max_position_embeddings": 8192,
    "layer_norm_eps": 1e-5,
    "tie_word_embeddings": True,
}

COHERE = Family(
    model_type="cohere",
    describe=_first,
    defaults=_SIZES,
    # The length that its tokenizer warns at.
    ignored=frozenset({"model_max_length", "pretraining_tp"}),
)
COHERE2 = Family(
    model_type="cohere2",
    describe=_second,
    defaults={**_SIZES, "sliding_window": 4096},
    ignored=frozenset({"_sliding_window_pattern", "cache_implementation"}),
    # `rotary_pct` and the like, which the published files carry at the value that changes nothing.
    only={
        "layer_switch": 4,
        "order_of_interleaved_layers": "local_attn_first",
        "position_embedding_type": "rope_gptj",
        "rotary_pct": 1.0,
        "use_embedding_sharing": True,
        "use_gated_activation": True,
        "use_parallel_block": True,
        "use_parallel_embedding": False,
        "use_qk_norm": False,
    },
)
