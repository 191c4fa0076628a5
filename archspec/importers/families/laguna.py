"""Laguna: more heads in some layers than in others, softplus gates, capped router logits."""

from __future__ import annotations

from archspec.importers import layers
from archspec.importers.checkpoint import layered
from archspec.importers.config import Config
from archspec.importers.experts import TRAINING, experts, one_by_one
from archspec.importers.family import Draft, Family, Fields
from archspec.importers.parts import attention, decoder, gated_feedforward, rmsnorm
from archspec.importers.rope import ropes

_BASES = {layers.FULL: ("rope_theta", 500_000.0), layers.SLIDING: ("rope_theta", 10_000.0)}
_WHOLE = dict.fromkeys(_BASES, 1.0)
_FRACTIONS = {layers.FULL: 0.5, layers.SLIDING: 1.0}


def _describe(config: Config) -> Draft:
    count, bias = layers.count(config), config.flag("attention_bias")
    types = layers.kinds(config, lambda _: layers.FULL)
    heads = [config.size("num_attention_heads")] * count
    if config.given("num_attention_heads_per_layer"):
        key = "num_attention_heads_per_layer"
        heads = layers.per_layer(config, key, config.integers(key))
    inner = ["dense"] + ["sparse"] * (count - 1)
    if config.given("mlp_layer_types"):
        inner = layers.per_layer(config, "mlp_layer_types", config.words("mlp_layer_types"))
    rotations = ropes(config, _BASES, _WHOLE if config.given("rope_parameters") else _FRACTIONS)
    config.only("gating", True, "per-head", "per-element")
    per = "element" if config.value("gating") == "per-element" else "head"

    def block(kind: str, heads: str, inner: str) -> Fields:
        mixer = attention(
            config,
            heads=int(heads.removesuffix("heads")),
            window=layers.window_of(config, kind),
            qkv_bias=bias,
            output_bias=bias,
            qk_norm=True,
            rope=rotations[kind],
            gate={"activation": "softplus", "per": per},
        )
        dense, mixture = gated_feedforward(config), _experts(config)
        return {"mixer": mixer, "feedforward": dense if inner == "dense" else mixture}

    words = [f"{number}heads" for number in heads]
    order, blocks = layers.combined(list(zip(types, words, inner, strict=True)), block)
    checkpoint = {"prefix": "model.", "tensors": layered(_NAMES)}
    return decoder(config, order, blocks, norm=rmsnorm(config), checkpoint=checkpoint)


def _experts(config: Config) -> Fields:
    router: Fields = {"score": "sigmoid", "correction_bias": True, "float32": False}
    if (cap := config.number("moe_router_logit_softcapping")) > 0:
        router["softcap"] = cap
    return experts(
        config,
        router=router,
        renormalize=True,
        scale=config.number("moe_routed_scaling_factor"),
        shared={"intermediate_size": config.size("shared_expert_intermediate_size")},
    )


_NAMES = {
    **one_by_one(),
    "self_attn.g_proj": "self_attn.gate_proj",
    # In files, and in memory.
    "mlp.experts.e_score_correction_bias": "mlp.router_correction",
    "mlp.gate.e_score_correction_bias": "mlp.router_correction",
    "mlp.shared_expert": "mlp.shared",
    "mlp.gate": "mlp.router",
    "mlp.shared_experts": "mlp.shared",
}

LAGUNA = Family(
    model_type="laguna",
    describe=_describe,
    defaults={
        "vocab_size": 100_352,
        "hidden_size": 2048,
        "intermediate_size": 8192,
        "num_hidden_layers": 40,
        "num_attention_heads": 48,
        "num_key_value_heads": 8,
        "head_dim": 128,
        "hidden_act": "silu",
        "max_position_embeddings": 131_072,
        "rms_norm_eps": 1e-6,
        "sliding_window": 512,
        "moe_intermediate_size": 512,
        "shared_expert_intermediate_size": 512,
        "num_experts_per_tok": 8,
        "num_experts": 256,
        "gating": True,
        "moe_routed_scaling_factor": 1.0,
        "moe_router_logit_softcapping": 0.0,
    },
    ignored=TRAINING,
    only={"moe_apply_router_weight_on_input": False},
)
