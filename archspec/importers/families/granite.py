"""Granite 3 and its mixture of experts: Llama's layer with four constants along the stream."""

from __future__ import annotations

from archspec.importers.checkpoint import layered
from archspec.importers.config import Config
from archspec.importers.experts import TRAINING, experts
from archspec.importers.family import Draft, Family, Fields
from archspec.importers.parts import attention, gated_feedforward, rmsnorm, uniform
from archspec.importers.rope import rope


def _dense(config: Config) -> Draft:
    inner = gated_feedforward(config, bias=config.flag("mlp_bias"))
    return _describe(config, inner, {"prefix": "model."})


def _sparse(config: Config) -> Draft:
    # A softmax over the chosen is a softmax over all, renormalised.
    mixture = experts(
        config, count="num_local_experts", width="intermediate_size", renormalize=True
    )
    theirs = "block_sparse_moe."
    names = {
        # In files, and all of it in memory.
        f"{theirs}input_linear.weight": "mlp.experts.gate_up_proj",
        f"{theirs}output_linear.weight": "mlp.experts.down_proj",
        f"{theirs}router.layer": "mlp.router",
        "block_sparse_moe": "mlp",
    }
    tensors = layered(names)
    return _describe(config, mixture, {"prefix": "model.", "tensors": tensors})


def _describe(config: Config, inner: Fields, checkpoint: Fields) -> Draft:
    bias = config.flag("attention_bias")
    mixer = attention(
        config,
        qkv_bias=bias,
        output_bias=bias,
        rope=rope(config),
        scale=config.number("attention_multiplier"),
    )
    block: Fields = {"mixer": mixer, "feedforward": inner}
    if (residual := config.number("residual_multiplier")) != 1:
        block = {"residual_scale": residual, **block}
    embedding, logits = config.number("embedding_multiplier"), config.number("logits_scaling")
    if logits == 0:
        config.refuse("logits_scaling", "logits are divided by it")
    return uniform(
        config,
        block,
        norm=rmsnorm(config),
        embedding={"scale": embedding} if embedding != 1 else None,
        head={"scale": 1 / logits} if logits != 1 else None,
        checkpoint=checkpoint,
    )


_DEFAULTS = {
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

GRANITE = Family(model_type="granite", describe=_dense, defaults=_DEFAULTS)
GRANITEMOE = Family(
    model_type="granitemoe",
    describe=_sparse,
    defaults={**_DEFAULTS, "num_local_experts": 8, "num_experts_per_tok": 2},
    ignored=TRAINING,
)
