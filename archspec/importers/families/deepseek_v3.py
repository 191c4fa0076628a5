"""DeepSeek-V3 (arXiv 2412.19437): latent attention, sigmoid experts in groups with a correction."""

from __future__ import annotations

from dataclasses import replace

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
from archspec.importers.latent import DERIVED, latent_attention
from archspec.importers.parts import decoder, gated_feedforward, rmsnorm
from archspec.importers.rope import rope


def _describe(config: Config) -> Draft:
    rotation = rope(config)
    if config.flag("rope_interleave"):
        rotation["pairing"] = "interleaved"
    mixer = latent_attention(config, rotation)
    dense, mixture = gated_feedforward(config), corrected_experts(config)

    def block(inner: str) -> Fields:
        return {"mixer": mixer, "feedforward": dense if inner == "dense" else mixture}

    order, blocks = layers.combined([(inner,) for inner in dense_first(config)], block)
    checkpoint: Fields = {"prefix": "model.", "tensors": layered(gated_block())}
    draft = decoder(config, order, blocks, norm=rmsnorm(config), checkpoint=checkpoint)
    return without_mtp(config, draft)


DEEPSEEK_V3 = Family(
    model_type="deepseek_v3",
    describe=_describe,
    defaults={
        "vocab_size": 129_280,
        "hidden_size": 7168,
        "intermediate_size": 18_432,
        "num_hidden_layers": 61,
        "num_attention_heads": 128,
        "num_key_value_heads": 128,
        "hidden_act": "silu",
        "max_position_embeddings": 4096,
        "rms_norm_eps": 1e-6,
        "q_lora_rank": 1536,
        "kv_lora_rank": 512,
        "qk_nope_head_dim": 128,
        "qk_rope_head_dim": 64,
        "v_head_dim": 128,
        "rope_interleave": True,
        "moe_intermediate_size": 2048,
        "n_routed_experts": 256,
        "n_shared_experts": 1,
        "num_experts_per_tok": 8,
        "n_group": 8,
        "topk_group": 4,
        "first_k_dense_replace": 3,
        "norm_topk_prob": True,
        "routed_scaling_factor": 2.5,
        "num_mtp_layers": 1,
    },
    aliases={
        "num_experts": "n_routed_experts",
        "num_local_experts": "n_routed_experts",
        "num_nextn_predict_layers": "num_mtp_layers",
    },
    ignored=TRAINING | DERIVED | {"aux_loss_alpha", "ep_size", "pretraining_tp", "seq_aux"},
    only={"moe_layer_freq": 1, "scoring_func": "sigmoid", "topk_method": "noaux_tc"},
)
# Kimi K2 (arXiv 2507.20534) is DeepSeek-V3's class under a name of its own.
KIMI_K2 = replace(DEEPSEEK_V3, model_type="kimi_k2")
