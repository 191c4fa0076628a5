"""Jamba (arXiv 2403.19887): Mamba with an attention layer now and then, experts now and then."""

from __future__ import annotations

from archspec.importers import layers
from archspec.importers.checkpoint import layered
from archspec.importers.config import Config
from archspec.importers.experts import TRAINING, experts, one_by_one
from archspec.importers.family import Draft, Family, Fields
from archspec.importers.parts import attention, decoder, gated_feedforward, rmsnorm
from archspec.importers.state_space import KERNELS, mamba


def _describe(config: Config) -> Draft:
    attends = _every(config, "attn_layer_period", "attn_layer_offset")
    sparse = _every(config, "expert_layer_period", "expert_layer_offset")
    mixture = experts(config, width="intermediate_size")
    if config.size("num_experts") == 1:
        sparse = [False] * len(sparse)

    # Both are read, so that a model without one may still carry its sizes.
    mixers = {"attention": attention(config), "mamba": _mamba(config)}

    def block(mixer: str, inner: str) -> Fields:
        return {
            "mixer": mixers[mixer],
            "feedforward": mixture if inner == "sparse" else gated_feedforward(config),
        }

    kinds = [
        ("attention" if attention_here else "mamba", "sparse" if experts_here else "dense")
        for attention_here, experts_here in zip(attends, sparse, strict=True)
    ]
    order, blocks = layers.combined(kinds, block)
    return decoder(config, order, blocks, norm=rmsnorm(config), checkpoint=_checkpoint())


def _every(config: Config, period: str, offset: str) -> list[bool]:
    """For each layer whether it is the one in every `period`, counted from `offset`."""
    every, first = config.size(period), config.number(offset)
    if not 0 <= first < every:
        config.refuse(offset, f"expected a whole number below `{period}`")
    return [index % every == first for index in range(layers.count(config))]


def _mamba(config: Config) -> Fields:
    return mamba(
        config,
        inner_dim=config.size("mamba_expand") * config.size("hidden_size"),
        prefix="mamba_",
        conv="mamba_d_conv",
        conv_bias="mamba_conv_bias",
        bias="mamba_proj_bias",
        inner_norm=True,
    )


def _checkpoint() -> Fields:
    names = {
        **one_by_one("feed_forward.experts"),
        "feed_forward": "mlp",
        "pre_ff_layernorm": "post_attention_layernorm",
        **{f"mamba.{name}_layernorm": f"mamba.{name}_norm" for name in ("dt", "b", "c")},
    }
    return {"prefix": "model.", "tensors": {**layered(names), "final_layernorm": "norm"}}


JAMBA = Family(
    model_type="jamba",
    describe=_describe,
    defaults={
        "vocab_size": 65_536,
        "hidden_size": 4096,
        "intermediate_size": 14_336,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "hidden_act": "silu",
        "max_position_embeddings": 262_144,
        "rms_norm_eps": 1e-6,
        "num_experts_per_tok": 2,
        "num_experts": 16,
        "expert_layer_period": 2,
        "expert_layer_offset": 1,
        "attn_layer_period": 8,
        "attn_layer_offset": 4,
        "mamba_d_state": 16,
        "mamba_d_conv": 4,
        "mamba_expand": 2,
        "mamba_conv_bias": True,
    },
    ignored=TRAINING | KERNELS | {"num_logits_to_keep", "calc_logits_for_entire_prompt"},
    only={"sliding_window": None, "mamba_inner_layernorms": True},
)
