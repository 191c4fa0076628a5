"""Hunyuan-A13B: norms of queries and keys after the rotation, experts beside a shared one."""

from __future__ import annotations

from typing import Any

from archspec.importers.checkpoint import layered
from archspec.importers.config import Config
from archspec.importers.experts import TRAINING, experts, one_by_one
from archspec.importers.family import Draft, Family, Fields
from archspec.importers.parts import attention, gated_feedforward, rmsnorm, uniform
from archspec.importers.rope import rope


def _describe(config: Config) -> Draft:
    bias = config.flag("attention_bias")
    mixer = attention(
        config,
        qkv_bias=bias,
        output_bias=bias,
        qk_norm={"after_rope": True},
        rope=_rope(config),
    )
    for key, value in (("moe_intermediate_size", "intermediate_size"), ("num_shared_expert", 1)):
        wanted = config.size(value) if isinstance(value, str) else value
        if config.given(key) and _same(config, key) != wanted:
            config.refuse(key)
    for key in ("moe_topk", "num_experts"):
        config.data[key] = _same(config, key)
    mixture = experts(
        config,
        top_k="moe_topk",
        width="intermediate_size",
        router={"float32": True, "float32_weights": True},
        renormalize=True,
        shared={"intermediate_size": gated_feedforward(config)["intermediate_size"]},
    )
    names = {
        **one_by_one(),
        "self_attn.query_layernorm": "self_attn.q_norm",
        "self_attn.key_layernorm": "self_attn.k_norm",
        "mlp.gate.wg": "mlp.router",
        "mlp.shared_mlp": "mlp.shared",
    }
    checkpoint = {"prefix": "model.", "tensors": layered(names)}
    block = {"mixer": mixer, "feedforward": mixture}
    # Its `alpha` fixes a base, and is not how many times longer a text may get.
    context = config.size("max_position_embeddings") if _alpha(config) else None
    options = {"norm": rmsnorm(config), "context_length": context, "checkpoint": checkpoint}
    return uniform(config, block, **options)


def _same(config: Config, key: str) -> Any:
    """The number under `key`, or the one that its list repeats for every layer."""
    value = config.value(key)
    if not isinstance(value, list):
        return value
    found = set(config.integers(key))
    if len(found) != 1:
        config.refuse(key, "archspec imports this family with equal layers")
    return found.pop()


def _alpha(config: Config) -> Fields:
    """The scaling that has one; empty where none has."""
    older = config.mapping("rope_scaling") or config.mapping("rope_parameters")
    return older if older.get("alpha") else {}


def _rope(config: Config) -> Fields:
    older = _alpha(config)
    if not older:
        return rope(config)
    # `alpha` fixes the base that a dynamic scaling would grow; the rest is not read.
    key = "rope_scaling" if config.given("rope_scaling") else "rope_parameters"
    given = config.inner(key, older)
    theta = given.number("rope_theta", config.number("rope_theta", 10_000.0))
    if given.value("rope_type" if given.given("rope_type") else "type") != "dynamic":
        given.refuse("alpha", "it belongs to the dynamic scaling")
    factor = given.number("alpha")
    given.close(frozenset({"beta_fast", "beta_slow", "factor", "mscale", "mscale_all_dim", "type"}))
    return {"theta": theta, "scaling": {"type": "ntk", "factor": factor}}


HUNYUAN_V1_MOE = Family(
    model_type="hunyuan_v1_moe",
    describe=_describe,
    defaults={
        "vocab_size": 290_943,
        "hidden_size": 4096,
        "intermediate_size": 11_008,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "hidden_act": "silu",
        "max_position_embeddings": 2048,
        "rms_norm_eps": 1e-5,
        "num_experts": 1,
        "moe_topk": 1,
    },
    aliases={"num_experts_per_tok": "moe_topk", "num_local_experts": "num_experts"},
    ignored=TRAINING | {"eod_token_id", "pretraining_tp"},
    only={
        "mlp_bias": False,
        "moe_layer_num_skipped": 0,
        "use_cla": False,
        "use_mixed_mlp_moe": True,
        "use_qk_norm": True,
    },
)
