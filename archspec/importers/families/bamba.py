"""Bamba: Mamba-2 with an attention layer now and then, half of whose heads' width rotates."""

from __future__ import annotations

from archspec.importers import layers
from archspec.importers.checkpoint import layered
from archspec.importers.config import Config
from archspec.importers.family import Draft, Family, Fields
from archspec.importers.parts import attention, decoder, gated_feedforward, head_width, rmsnorm
from archspec.importers.rope import rope
from archspec.importers.state_space import KERNELS, NAMES, Keys, limits, mamba2


def _describe(config: Config) -> Draft:
    attends = config.integers("attn_layer_indices") if config.value("attn_layer_indices") else []
    count, bias = layers.count(config), config.flag("attention_bias")
    if any(index not in range(count) for index in attends):
        config.refuse("attn_layer_indices", f"there are {count} layers")
    width = head_width(config)
    if config.given("attn_rotary_emb") and 2 * config.size("attn_rotary_emb") != width:
        config.refuse("attn_rotary_emb", "half of each head rotates in this family")
    least, most = limits(config)
    rotation = rope(config, fraction=0.5)

    # Both are read, so that a model without one may still carry its sizes.
    mixers = {
        layers.FULL: attention(config, qkv_bias=bias, output_bias=bias, rope=rotation),
        "linear_attention": mamba2(config, Keys(), expand="mamba_expand", least=least, most=most),
    }

    def block(kind: str) -> Fields:
        inner = gated_feedforward(config, bias=config.flag("mlp_bias"))
        return {"mixer": mixers[kind], "feedforward": inner}

    kinds = [layers.FULL if index in attends else "linear_attention" for index in range(count)]
    order, blocks = layers.blocks(kinds, block, NAMES)
    names = {"feed_forward": "mlp", "pre_ff_layernorm": "post_attention_layernorm"}
    checkpoint: Fields = {
        "prefix": "model.",
        "tensors": {**layered(names), "final_layernorm": "norm"},
    }
    return decoder(config, order, blocks, norm=rmsnorm(config), checkpoint=checkpoint)


BAMBA = Family(
    model_type="bamba",
    describe=_describe,
    defaults={
        "vocab_size": 128_000,
        "hidden_size": 4096,
        "intermediate_size": 14_336,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "hidden_act": "silu",
        "max_position_embeddings": 262_144,
        "rms_norm_eps": 1e-5,
        "mamba_n_heads": 128,
        "mamba_n_groups": 1,
        "mamba_d_state": 256,
        "mamba_d_conv": 4,
        "mamba_expand": 2,
        "mamba_conv_bias": True,
    },
    ignored=KERNELS | {"mamba_chunk_size", "num_logits_to_keep", "z_loss_coefficient"},
)
