"""GLM-4.5 (arXiv 2508.06471): sigmoid experts in groups behind first dense layers."""

from __future__ import annotations

from archspec.importers import layers
from archspec.importers.checkpoint import layered
from archspec.importers.config import Config
from archspec.importers.experts import (
    TRAINING,
    corrected_experts,
    dense_first,
    gated_block,
    without_mtp,
)
from archspec.importers.family import Draft, Family, Fields
from archspec.importers.parts import attention, decoder, gated_feedforward, rmsnorm
from archspec.importers.rope import rope


def _describe(config: Config) -> Draft:
    def block(inner: str) -> Fields:
        mixer = attention(
            config,
            qkv_bias=config.flag("attention_bias"),
            qk_norm=config.flag("use_qk_norm"),
            rope=rope(config, fraction=0.5),
        )
        dense, mixture = gated_feedforward(config), corrected_experts(config, "num_local_experts")
        return {"mixer": mixer, "feedforward": dense if inner == "dense" else mixture}

    order, blocks = layers.combined([(inner,) for inner in dense_first(config)], block)
    checkpoint: Fields = {"prefix": "model.", "tensors": layered(gated_block())}
    draft = decoder(config, order, blocks, norm=rmsnorm(config), checkpoint=checkpoint)
    return without_mtp(config, draft)


GLM4_MOE = Family(
    model_type="glm4_moe",
    describe=_describe,
    defaults={
        "vocab_size": 151_552,
        "hidden_size": 4096,
        "intermediate_size": 10_944,
        "num_hidden_layers": 46,
        "num_attention_heads": 96,
        "num_key_value_heads": 8,
        "hidden_act": "silu",
        "max_position_embeddings": 131_072,
        "rms_norm_eps": 1e-5,
        "moe_intermediate_size": 1408,
        "num_experts_per_tok": 8,
        "n_shared_experts": 1,
        "num_local_experts": 128,
        "routed_scaling_factor": 1.0,
        "n_group": 1,
        "topk_group": 1,
        "first_k_dense_replace": 1,
        "norm_topk_prob": True,
        "num_mtp_layers": 1,
    },
    aliases={
        "n_routed_experts": "num_local_experts",
        "num_nextn_predict_layers": "num_mtp_layers",
    },
    ignored=TRAINING | {"pretraining_tp"},
)
