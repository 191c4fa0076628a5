"""Qwen1.5-MoE and Qwen2-MoE (arXiv 2407.10671): fine experts beside a gated shared one."""

from __future__ import annotations

from archspec.importers import layers
from archspec.importers.checkpoint import layered
from archspec.importers.config import Config
from archspec.importers.experts import TRAINING, experts, one_by_one
from archspec.importers.family import Draft, Family, Fields
from archspec.importers.parts import attention, decoder, gated_feedforward, rmsnorm
from archspec.importers.rope import rope


def sparse(config: Config) -> list[str]:
    """`sparse` for every layer with experts, `dense` for the others."""
    step, count = config.size("decoder_sparse_step"), layers.count(config)
    dense = config.integers("mlp_only_layers") if config.given("mlp_only_layers") else []
    return ["dense" if index in dense or (index + 1) % step else "sparse" for index in range(count)]


def _describe(config: Config) -> Draft:
    windowed, last = config.flag("use_sliding_window"), config.number("max_window_layers")
    types = layers.kinds(
        config,
        lambda index: (
            layers.SLIDING if windowed and index % 2 == 0 and index < last else layers.FULL
        ),
    )
    bias = config.flag("qkv_bias")

    def block(kind: str, inner: str) -> Fields:
        window = layers.window_of(config, kind)
        dense, mixture = gated_feedforward(config), _experts(config)
        return {
            "mixer": attention(config, window=window, qkv_bias=bias, rope=rope(config)),
            "feedforward": dense if inner == "dense" else mixture,
        }

    order, blocks = layers.combined(
        list(zip(types, sparse(config), strict=True)), block, layers.NAMES
    )
    names = {
        **one_by_one(),
        "mlp.gate": "mlp.router",
        "mlp.shared_expert": "mlp.shared",
        "mlp.shared_expert_gate": "mlp.shared_gate",
    }
    checkpoint = {"prefix": "model.", "tensors": layered(names)}
    return decoder(config, order, blocks, norm=rmsnorm(config), checkpoint=checkpoint)


def _experts(config: Config) -> Fields:
    return experts(
        config,
        renormalize=config.flag("norm_topk_prob"),
        shared={"intermediate_size": config.size("shared_expert_intermediate_size"), "gate": True},
    )


QWEN2_MOE = Family(
    model_type="qwen2_moe",
    describe=_describe,
    defaults={
        "vocab_size": 151_936,
        "hidden_size": 2048,
        "intermediate_size": 5632,
        "num_hidden_layers": 24,
        "num_attention_heads": 16,
        "num_key_value_heads": 16,
        "hidden_act": "silu",
        "max_position_embeddings": 32_768,
        "rms_norm_eps": 1e-6,
        "sliding_window": 4096,
        "max_window_layers": 28,
        "decoder_sparse_step": 1,
        "moe_intermediate_size": 1408,
        "shared_expert_intermediate_size": 5632,
        "num_experts_per_tok": 4,
        "num_experts": 60,
        "qkv_bias": True,
    },
    ignored=TRAINING,
)
