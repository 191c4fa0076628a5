"""StableLM (arXiv 2402.17834): LayerNorm, a gated feed-forward, a quarter of a head rotates."""

from __future__ import annotations

from archspec.importers.checkpoint import layered
from archspec.importers.config import Config
from archspec.importers.family import Draft, Family, Fields
from archspec.importers.parts import attention, gated_feedforward, layernorm, uniform
from archspec.importers.rope import rope


def _describe(config: Config) -> Draft:
    normed = config.flag("qk_layernorm")
    qk_norm: Fields = {"bias": False, "scope": "each_head"}
    mixer = attention(
        config,
        qkv_bias=config.flag("use_qkv_bias"),
        qk_norm=qk_norm if normed else False,
        rope=rope(config, fraction=0.25),
    )
    block: Fields = {"mixer": mixer, "feedforward": gated_feedforward(config)}
    if config.flag("use_parallel_residual"):
        block = {"parallel": True, "shared_norm": True, **block}
    checkpoint: Fields = {"prefix": "model."}
    if normed:
        checkpoint["tensors"] = layered(
            {
                f"self_attn.{name}_layernorm.norms.{{item}}.weight": f"self_attn.{name}_norm.weight"
                for name in "qk"
            }
        )
    return uniform(config, block, norm=layernorm(config), checkpoint=checkpoint)


STABLELM = Family(
    model_type="stablelm",
    describe=_describe,
    defaults={
        "vocab_size": 50_304,
        "intermediate_size": 6912,
        "hidden_size": 2560,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "num_key_value_heads": 32,
        "hidden_act": "silu",
        "max_position_embeddings": 4096,
        "layer_norm_eps": 1e-5,
    },
    aliases={"rope_pct": "partial_rotary_factor"},
)
