"""Qwen3-MoE (arXiv 2505.09388): Qwen3's attention, 128 experts and none that is shared."""

from __future__ import annotations

from archspec.importers import layers
from archspec.importers.checkpoint import layered
from archspec.importers.config import Config
from archspec.importers.experts import TRAINING, experts, one_by_one
from archspec.importers.families.qwen2_moe import sparse
from archspec.importers.family import Draft, Family, Fields
from archspec.importers.parts import attention, decoder, gated_feedforward, rmsnorm
from archspec.importers.rope import rope


def _describe(config: Config) -> Draft:
    bias = config.flag("attention_bias")
    window = layers.window(config) if config.flag("use_sliding_window") else None
    config.value("sliding_window")

    def block(inner: str) -> Fields:
        mixer = attention(
            config,
            window=window,
            qkv_bias=bias,
            output_bias=bias,
            qk_norm=True,
            rope=rope(config),
        )
        mixture = experts(config, renormalize=config.flag("norm_topk_prob"))
        dense = gated_feedforward(config)
        return {"mixer": mixer, "feedforward": dense if inner == "dense" else mixture}

    order, blocks = layers.combined([(inner,) for inner in sparse(config)], block)
    checkpoint = {
        "prefix": "model.",
        "tensors": layered({**one_by_one(), "mlp.gate": "mlp.router"}),
    }
    return decoder(config, order, blocks, norm=rmsnorm(config), checkpoint=checkpoint)


QWEN3_MOE = Family(
    model_type="qwen3_moe",
    describe=_describe,
    defaults={
        "vocab_size": 151_936,
        "hidden_size": 2048,
        "intermediate_size": 6144,
        "num_hidden_layers": 24,
        "num_attention_heads": 32,
        "num_key_value_heads": 4,
        "hidden_act": "silu",
        "max_position_embeddings": 32_768,
        "rms_norm_eps": 1e-6,
        "sliding_window": 4096,
        "decoder_sparse_step": 1,
        "moe_intermediate_size": 768,
        "num_experts_per_tok": 8,
        "num_experts": 128,
    },
    aliases={"num_local_experts": "num_experts"},
    # Which layers have windows, were there any: the family's code gives one to all.
    ignored=TRAINING | {"max_window_layers"},
)
