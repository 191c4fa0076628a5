"""Kimi Linear (arXiv 2510.26692): three delta attentions to one latent attention, no positions."""

from __future__ import annotations

from archspec.importers import layers
from archspec.importers.checkpoint import layered
from archspec.importers.config import Config
from archspec.importers.experts import (
    TRAINING,
    corrected_experts,
    gated_block,
    sparse_block,
    without_mtp,
)
from archspec.importers.family import Draft, Family, Fields
from archspec.importers.latent import DERIVED, latent_attention
from archspec.importers.parts import decoder, gated_feedforward, rmsnorm

LINEAR = "linear_attention"
NAMES = {LINEAR: "delta", layers.FULL: "latent"}
_Rules = dict[str, str | list[str] | Fields]

# A model in memory has one convolution, and the decay in a module of its own; files do not.
MEMORY: _Rules = {
    "self_attn.conv1d": [f"self_attn.{name}_conv1d" for name in "qkv"],
    "self_attn.forget_gate": "self_attn",
}
ALIASES = {
    "model_max_length": "max_position_embeddings",
    "moe_renormalize": "norm_topk_prob",
    "num_expert_group": "n_group",
    "num_experts": "num_local_experts",
    "num_experts_per_token": "num_experts_per_tok",
    "num_nextn_predict_layers": "num_mtp_layers",
    "num_shared_experts": "n_shared_experts",
}


def inner(config: Config) -> list[str]:
    """`dense` or `sparse` for every layer, from `mlp_layer_types` or how many are dense first."""
    first = config.number("first_k_dense_replace", 1)
    if not config.given("mlp_layer_types"):
        return ["dense" if index < first else "sparse" for index in range(layers.count(config))]
    types = layers.per_layer(config, "mlp_layer_types", config.words("mlp_layer_types"))
    if {*types} - {"dense", "sparse"}:
        config.refuse("mlp_layer_types")
    return types


def _kinds(config: Config, lists: Config) -> list[str]:
    """The published kind of every layer; `lists` number layers from one."""
    full, delta = (
        lists.integers(key) if lists.given(key) else []
        for key in ("full_attn_layers", "kda_layers")
    )
    count = layers.count(config)
    if not full and not delta:
        return layers.kinds(
            config,
            lambda index: layers.FULL if index and index % 4 == 0 else LINEAR,
            (LINEAR, layers.FULL),
        )
    if sorted(full + delta) != list(range(1, count + 1)):
        config.fail("`linear_attn_config` does not give every layer one kind")
    return layers.kinds(
        config,
        lambda index: layers.FULL if index + 1 in full else LINEAR,
        (LINEAR, layers.FULL),
    )


def _describe(config: Config) -> Draft:
    given = config.inner("linear_attn_config", config.mapping("linear_attn_config"))
    width = given.size_or("head_dim", config.size("linear_head_dim"))
    config.only("hidden_act", "silu")  # it is the convolutions' as well
    delta: Fields = {
        "type": "kimi_delta",
        "heads": given.size_or("num_heads", config.size("linear_num_heads")),
        "key_head_dim": width,
        "value_head_dim": width,
        "conv": given.size_or("short_conv_kernel_size", config.size("linear_conv_kernel_dim")),
        "decay_rank": width,
        "gate": {"activation": "sigmoid", "rank": width},
    }
    kinds = _kinds(config, given)
    given.close()

    def block(kind: str, body: str) -> Fields:
        mixture = corrected_experts(config, "num_local_experts")
        return {
            "mixer": delta if kind == LINEAR else latent_attention(config, None),
            "feedforward": gated_feedforward(config) if body == "dense" else mixture,
        }

    order, blocks = layers.combined(list(zip(kinds, inner(config), strict=True)), block, NAMES)
    # The rates of the decay are stored among axes of length one.
    rates: Fields = {"to": "self_attn.A_log", "reshape": True}
    names: _Rules = {"self_attn.forget_gate.A_log": rates, "self_attn.A_log": rates}
    names |= MEMORY | gated_block() | sparse_block()
    names |= {
        "block_sparse_moe.gate.e_score_correction_bias": "mlp.router_correction",
        "block_sparse_moe.shared_experts": "mlp.shared",
    }
    # What stands first is tried first, and these are the beginnings of others.
    names["block_sparse_moe.gate"] = names.pop("block_sparse_moe.gate")
    names["block_sparse_moe"] = "mlp"
    checkpoint: Fields = {"prefix": "model.", "tensors": layered(names)}
    draft = decoder(config, order, blocks, norm=rmsnorm(config), checkpoint=checkpoint)
    return without_mtp(config, draft)


KIMI_LINEAR = Family(
    model_type="kimi_linear",
    describe=_describe,
    defaults={
        "vocab_size": 163_840,
        "hidden_size": 2304,
        "intermediate_size": 9216,
        "moe_intermediate_size": 1024,
        "num_hidden_layers": 27,
        "num_attention_heads": 32,
        "num_key_value_heads": 32,
        "num_local_experts": 256,
        "num_experts_per_tok": 8,
        "n_shared_experts": 1,
        "n_group": 1,
        "topk_group": 1,
        "norm_topk_prob": True,
        "routed_scaling_factor": 2.446,
        "hidden_act": "silu",
        "max_position_embeddings": 1_048_576,
        "rms_norm_eps": 1e-5,
        "q_lora_rank": None,
        "kv_lora_rank": 512,
        "qk_nope_head_dim": 128,
        "qk_rope_head_dim": 64,
        "v_head_dim": 128,
        "linear_head_dim": 128,
        "linear_num_heads": 32,
        "linear_conv_kernel_dim": 4,
    },
    aliases=ALIASES,
    # Nothing rotates here, whatever the base.
    ignored=TRAINING | DERIVED | {"pretraining_tp", "rope_theta"},
    only={
        "mla_use_nope": True,
        "moe_layer_freq": 1,
        "moe_router_activation_func": "sigmoid",
        "topk_method": "noaux_tc",
        "use_grouped_topk": True,
    },
)
