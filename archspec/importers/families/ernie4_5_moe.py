"""ERNIE 4.5 MoE: softmax experts chosen with a correction, among dense layers."""

from __future__ import annotations

from archspec.importers import layers
from archspec.importers.checkpoint import layered
from archspec.importers.config import Config
from archspec.importers.experts import TRAINING, experts, one_by_one
from archspec.importers.family import Draft, Family, Fields
from archspec.importers.parts import attention, decoder, gated_feedforward, rmsnorm
from archspec.importers.rope import rope


def _describe(config: Config) -> Draft:
    bias = config.flag("use_bias")
    rotation = rope(config, 500_000.0, pairing="interleaved")

    def block(inner: str) -> Fields:
        mixer = attention(config, qkv_bias=bias, output_bias=bias, rope=rotation)
        mixture = _experts(config, bias)
        dense = gated_feedforward(config, bias=bias)
        return {"mixer": mixer, "feedforward": dense if inner == "dense" else mixture}

    order, blocks = layers.combined([(inner,) for inner in _inner(config)], block)
    statics = "moe_statics.e_score_correction_bias"
    correction: Fields = {"to": "mlp.router_correction", "reshape": True}
    names = {
        **one_by_one(),
        # In files, and in memory.
        **{f"mlp.{place}{statics}": correction for place in ("", "gate.")},
        "mlp.gate": "mlp.router",
        "mlp.shared_experts": "mlp.shared",
    }
    return decoder(
        config,
        order,
        blocks,
        norm=rmsnorm(config),
        head={"bias": True} if bias else None,
        checkpoint={"prefix": "model.", "tensors": layered(names)},
    )


def _inner(config: Config) -> list[str]:
    first, last = config.number("moe_layer_start_index"), config.number("moe_layer_end_index", -1)
    step, count = config.size("moe_layer_interval"), layers.count(config)
    last = count - 1 if last == -1 else last
    return [
        "sparse" if first <= index <= last and (index + 1) % step == 0 else "dense"
        for index in range(count)
    ]


def _experts(config: Config, bias: bool) -> Fields:
    shared: Fields | None = None
    if several := config.number("moe_num_shared_experts", 0):
        shared = {"intermediate_size": int(several) * config.size("moe_intermediate_size")}
        shared |= {"bias": True} if bias else {}
    return experts(
        config,
        router={"correction_bias": True, "float32": True, "float32_weights": True},
        renormalize=True,
        renormalize_floor=config.number("moe_norm_min"),
        shared=shared,
    )


ERNIE4_5_MOE = Family(
    model_type="ernie4_5_moe",
    describe=_describe,
    defaults={
        "vocab_size": 103_424,
        "hidden_size": 2560,
        "intermediate_size": 12_288,
        "num_hidden_layers": 28,
        "num_attention_heads": 20,
        "num_key_value_heads": 4,
        "hidden_act": "silu",
        "max_position_embeddings": 131_072,
        "rms_norm_eps": 1e-5,
        "tie_word_embeddings": True,
        "moe_intermediate_size": 1536,
        "num_experts_per_tok": 6,
        "num_experts": 64,
        "moe_num_shared_experts": 2,
        "moe_layer_start_index": 1,
        "moe_layer_interval": 1,
        "moe_norm_min": 1e-12,
    },
    aliases={"moe_k": "num_experts_per_tok", "moe_num_experts": "num_experts"},
    ignored=TRAINING | {"moe_capacity"},
    only={"moe_gate": "topk", "moe_use_aux_free": True},
)
