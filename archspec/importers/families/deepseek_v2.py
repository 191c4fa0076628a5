"""DeepSeek-V2 (arXiv 2405.04434): latent attention, softmax experts in groups."""

from __future__ import annotations

from archspec.importers import layers
from archspec.importers.checkpoint import layered
from archspec.importers.config import Config
from archspec.importers.experts import (
    TRAINING,
    dense_first,
    experts,
    gated_block,
    shared_experts,
)
from archspec.importers.family import Draft, Family, Fields
from archspec.importers.latent import DERIVED, latent_attention
from archspec.importers.parts import decoder, gated_feedforward, rmsnorm
from archspec.importers.rope import rope


def _describe(config: Config) -> Draft:
    rotation = rope(config, pairing="interleaved")
    mixer = latent_attention(config, rotation)
    dense = gated_feedforward(config, bias=config.flag("mlp_bias"))
    mixture = _experts(config)

    def block(inner: str) -> Fields:
        return {"mixer": mixer, "feedforward": dense if inner == "dense" else mixture}

    order, blocks = layers.combined([(inner,) for inner in dense_first(config)], block)
    checkpoint = {"prefix": "model.", "tensors": layered(gated_block())}
    return decoder(config, order, blocks, norm=rmsnorm(config), checkpoint=checkpoint)


def _experts(config: Config) -> Fields:
    method, router = config.word("topk_method"), Fields(float32=True)
    if method == "group_limited_greedy":
        groups, keep = config.size("n_group"), config.size("topk_group")
        router["groups"] = {"count": groups, "keep": keep, "by": "max"}
    elif method != "greedy":
        config.refuse("topk_method")
    shared = shared_experts(config)
    if config.flag("mlp_bias"):
        shared["bias"] = True
    scale = config.number("routed_scaling_factor")
    return experts(config, count="n_routed_experts", router=router, scale=scale, shared=shared)


DEEPSEEK_V2 = Family(
    model_type="deepseek_v2",
    describe=_describe,
    defaults={
        "vocab_size": 102_400,
        "hidden_size": 4096,
        "intermediate_size": 11_008,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "hidden_act": "silu",
        "max_position_embeddings": 2048,
        "rms_norm_eps": 1e-6,
        "q_lora_rank": 1536,
        "kv_lora_rank": 512,
        "qk_nope_head_dim": 128,
        "qk_rope_head_dim": 64,
        "v_head_dim": 128,
        "moe_intermediate_size": 1407,
        "n_routed_experts": 64,
        "n_shared_experts": 2,
        "first_k_dense_replace": 0,
        "routed_scaling_factor": 1.0,
        "topk_method": "greedy",
    },
    aliases={"num_experts": "n_routed_experts"},
    # Without `group_limited_greedy`, what is said about groups has no effect.
    ignored=TRAINING
    | DERIVED
    | {"aux_loss_alpha", "ep_size", "n_group", "pretraining_tp", "seq_aux", "topk_group"},
    only={"moe_layer_freq": 1, "norm_topk_prob": False, "scoring_func": "softmax"},
)
