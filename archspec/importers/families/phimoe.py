"""Phi-3.5-MoE (arXiv 2404.14219): sixteen experts, two chosen one after the other."""

from __future__ import annotations

from archspec.importers import layers
from archspec.importers.checkpoint import layered
from archspec.importers.config import Config
from archspec.importers.experts import experts, sparse_block
from archspec.importers.family import Draft, Family, Fields
from archspec.importers.parts import attention, layernorm, uniform
from archspec.importers.rope import rope


def _describe(config: Config) -> Draft:
    bias = config.flag("attention_bias")
    mixer = attention(
        config,
        window=layers.window(config),
        qkv_bias=bias,
        output_bias=bias,
        rope=rope(config, 1e6),
    )
    config.only("num_experts_per_tok", 2)
    router: Fields = {"score": "sparsemixer", "jitter": config.number("router_jitter_noise")}
    mixture = experts(config, count="num_local_experts", width="intermediate_size", router=router)
    return uniform(
        config,
        {"mixer": mixer, "feedforward": mixture},
        norm=layernorm(config, "rms_norm_eps"),
        checkpoint={"prefix": "model.", "tensors": layered(sparse_block())},
        head={"bias": True} if config.flag("lm_head_bias") else None,
    )


PHIMOE = Family(
    model_type="phimoe",
    describe=_describe,
    defaults={
        "vocab_size": 32_064,
        "hidden_size": 4096,
        "intermediate_size": 6400,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "hidden_act": "silu",
        "max_position_embeddings": 131_072,
        "rms_norm_eps": 1e-5,
        "num_experts_per_tok": 2,
        "num_local_experts": 16,
        "router_jitter_noise": 0.01,
    },
    ignored=frozenset({"input_jitter_noise", "output_router_logits", "router_aux_loss_coef"}),
)
