"""Granite 3 and its mixture of experts: Llama's layer with four constants along the stream."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from archspec.importers import layers
from archspec.importers.checkpoint import layered
from archspec.importers.config import Config
from archspec.importers.experts import TRAINING, experts
from archspec.importers.family import Draft, Family, Fields
from archspec.importers.parts import attention, decoder, gated_feedforward, rmsnorm
from archspec.importers.rope import rope


def _dense(config: Config) -> Draft:
    inner = gated_feedforward(config, bias=config.flag("mlp_bias"))
    return _describe(config, inner, {"prefix": "model."})


def _sparse(config: Config) -> Draft:
    tensors = layered(mixture_names())
    return _describe(config, mixture(config), {"prefix": "model.", "tensors": tensors})


def mixture(config: Config, **more: Any) -> Fields:
    """The experts, with `more` fields of the language."""
    # A softmax over the chosen is a softmax over all, renormalised.
    return experts(
        config, count="num_local_experts", width="intermediate_size", renormalize=True, **more
    )


def mixture_names() -> dict[str, str | list[str] | Fields]:
    """The experts' tensors in a layer, published and ours."""
    theirs = "block_sparse_moe."
    return {
        # In files, and all of it in memory.
        f"{theirs}input_linear.weight": "mlp.experts.gate_up_proj",
        f"{theirs}output_linear.weight": "mlp.experts.down_proj",
        f"{theirs}router.layer": "mlp.router",
        "block_sparse_moe": {"to": "mlp", "alias": True},
    }


def _describe(config: Config, inner: Fields, checkpoint: Fields) -> Draft:
    block = scaled(config, {"mixer": attends(config, rope(config)), "feedforward": inner})
    order = ["block"] * layers.count(config)
    return stack(config, order, {"block": block}, checkpoint)


def attends(config: Config, rotation: Fields | None) -> Fields:
    """The attention, with or without rotation."""
    bias, scale = config.flag("attention_bias"), config.number("attention_multiplier")
    return attention(config, qkv_bias=bias, output_bias=bias, rope=rotation, scale=scale)


def scaled(config: Config, block: Fields) -> Fields:
    """`block` with the multiplier of what each branch adds."""
    residual = config.number("residual_multiplier")
    return {"residual_scale": residual, **block} if residual != 1 else block


def stack(
    config: Config, order: Sequence[str], blocks: dict[str, Fields], checkpoint: Fields
) -> Draft:
    """The language model, with the multipliers at both ends."""
    embedding, logits = config.number("embedding_multiplier"), config.number("logits_scaling")
    if logits == 0:
        config.refuse("logits_scaling", "logits are divided by it")
    return decoder(
        config,
        order,
        blocks,
        norm=rmsnorm(config),
        embedding={"scale": embedding} if embedding != 1 else None,
        head={"scale": 1 / logits} if logits != 1 else None,
        checkpoint=checkpoint,
    )


DEFAULTS = {
    "vocab_size": 32_000,
    "hidden_size": 4096,
    "intermediate_size": 11_008,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "hidden_act": "silu",
    "max_position_embeddings": 2048,
    "rms_norm_eps": 1e-6,
    "embedding_multiplier": 1.0,
    "logits_scaling": 1.0,
    "residual_multiplier": 1.0,
    "attention_multiplier": 1.0,
}

GRANITE = Family(model_type="granite", describe=_dense, defaults=DEFAULTS)
GRANITEMOE = Family(
    model_type="granitemoe",
    describe=_sparse,
    defaults={**DEFAULTS, "num_local_experts": 8, "num_experts_per_tok": 2},
    ignored=TRAINING,
)
