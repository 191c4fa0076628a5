"""OLMo, OLMo 2, OLMo 3 and OLMoE (arXiv 2402.00838, 2501.00656, 2409.02060)."""

from __future__ import annotations

from archspec.importers import layers
from archspec.importers.checkpoint import layered
from archspec.importers.config import Config
from archspec.importers.experts import TRAINING, experts, one_by_one
from archspec.importers.family import Draft, Family, Fields
from archspec.importers.parts import attention, decoder, gated_feedforward, rmsnorm, uniform
from archspec.importers.rope import rope, ropes

_WIDTH: Fields = {"scope": "width"}


def _first(config: Config) -> Draft:
    bias = config.flag("attention_bias")
    clip = None if config.value("clip_qkv") is None else config.number("clip_qkv")
    mixer = attention(config, qkv_bias=bias, output_bias=bias, clip_qkv=clip, rope=rope(config))
    # LayerNorm without a weight or a bias, and an epsilon that no file states.
    norm = {"type": "layernorm", "eps": 1e-5, "weight": False}
    return uniform(config, {"mixer": mixer, "feedforward": gated_feedforward(config)}, norm=norm)


def _second(config: Config) -> Draft:
    block = _block(config, layers.FULL, rope(config))
    return uniform(config, block, norm=rmsnorm(config))


def _third(config: Config) -> Draft:
    theta = ("rope_theta", 500_000.0)
    rotations = ropes(config, {layers.FULL: theta, layers.SLIDING: theta})
    types = layers.kinds(config, lambda index: layers.SLIDING if (index + 1) % 4 else layers.FULL)
    order, blocks = layers.blocks(types, lambda kind: _block(config, kind, rotations[kind]))
    return decoder(config, order, blocks, norm=rmsnorm(config))


def _block(config: Config, kind: str, rotation: Fields) -> Fields:
    bias = config.flag("attention_bias")
    mixer = attention(
        config,
        window=layers.window_of(config, kind),
        qkv_bias=bias,
        output_bias=bias,
        qk_norm=_WIDTH,
        rope=rotation,
    )
    return {"norm_position": "output", "mixer": mixer, "feedforward": gated_feedforward(config)}


def _mixture(config: Config) -> Draft:
    bias = config.flag("attention_bias")
    mixer = attention(config, qkv_bias=bias, output_bias=bias, qk_norm=_WIDTH, rope=rope(config))
    mixture = experts(config, width="intermediate_size", renormalize=config.flag("norm_topk_prob"))
    checkpoint = {
        "prefix": "model.",
        "tensors": layered({**one_by_one(), "mlp.gate": "mlp.router"}),
    }
    block = {"mixer": mixer, "feedforward": mixture}
    return uniform(config, block, norm=rmsnorm(config), checkpoint=checkpoint)


_SIZES = {
    "vocab_size": 50_304,
    "hidden_size": 4096,
    "intermediate_size": 11_008,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "hidden_act": "silu",
    "max_position_embeddings": 2048,
}

OLMO = Family(model_type="olmo", describe=_first, defaults=_SIZES)
OLMO2 = Family(model_type="olmo2", describe=_second, defaults={**_SIZES, "rms_norm_eps": 1e-5})
OLMO3 = Family(
    model_type="olmo3",
    describe=_third,
    defaults={**_SIZES, "rms_norm_eps": 1e-5, "sliding_window": 4096},
)
OLMOE = Family(
    model_type="olmoe",
    describe=_mixture,
    defaults={
        **_SIZES,
        "hidden_size": 2048,
        "intermediate_size": 2048,
        "num_hidden_layers": 16,
        "num_attention_heads": 16,
        "max_position_embeddings": 4096,
        "rms_norm_eps": 1e-5,
        "num_experts_per_tok": 8,
        "num_experts": 64,
    },
    aliases={"num_local_experts": "num_experts"},
    ignored=TRAINING,
    # Here the clip comes after the norms, where in the language it comes before.
    only={"clip_qkv": None},
)
