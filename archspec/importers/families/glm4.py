"""GLM-4-0414: four norms in a layer, half a head rotating in neighbouring pairs."""

from __future__ import annotations

from archspec.importers.checkpoint import GATE_UP, layered
from archspec.importers.config import Config
from archspec.importers.family import Draft, Family
from archspec.importers.parts import attention, gated_feedforward, rmsnorm, uniform
from archspec.importers.rope import rope


def _describe(config: Config) -> Draft:
    mixer = attention(
        config,
        qkv_bias=config.flag("attention_bias"),
        rope=rope(config, fraction=0.5, pairing="interleaved"),
    )
    block = {
        "norm_position": "sandwich",
        "mixer": mixer,
        "feedforward": gated_feedforward(config),
    }
    names = {
        "post_self_attn_layernorm": "post_attention_layernorm",
        "post_attention_layernorm": "pre_feedforward_layernorm",
        "mlp.gate_up_proj": GATE_UP,
        "post_mlp_layernorm": "post_feedforward_layernorm",
    }
    checkpoint = {"prefix": "model.", "tensors": layered(names)}
    return uniform(config, block, norm=rmsnorm(config), checkpoint=checkpoint)


GLM4 = Family(
    model_type="glm4",
    describe=_describe,
    defaults={
        "vocab_size": 151_552,
        "hidden_size": 4096,
        "intermediate_size": 13_696,
        "num_hidden_layers": 40,
        "num_attention_heads": 32,
        "num_key_value_heads": 2,
        "head_dim": 128,
        "hidden_act": "silu",
        "max_position_embeddings": 131_072,
        "rms_norm_eps": 1.5625e-7,
        "attention_bias": True,
    },
)
