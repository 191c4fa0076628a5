"""Ling 3.0: five delta attentions with a bounded decay to one gated latent attention."""

from __future__ import annotations

from archspec.importers import layers
from archspec.importers.checkpoint import layered
from archspec.importers.config import Config
from archspec.importers.experts import TRAINING, corrected_experts, gated_block, without_mtp
from archspec.importers.families.kimi_linear import ALIASES, LINEAR, MEMORY, NAMES, inner
from archspec.importers.family import Draft, Family, Fields
from archspec.importers.latent import DERIVED, latent_attention
from archspec.importers.parts import decoder, gated_feedforward, rmsnorm
from archspec.importers.rope import rope

THEIRS = "layers.{layer}.attention"


def _describe(config: Config) -> Draft:
    width = config.size("moe_intermediate_size")
    config.only("moe_shared_expert_intermediate_size", None, width)
    config.only("hidden_act", "silu")  # it is the convolutions' as well
    # What transformers writes back has the rotating width under `head_dim`.
    own = config.given("head_dim") and not config.given("linear_head_dim")
    key = "head_dim" if own else "linear_head_dim"
    delta: Fields = {
        "type": "kimi_delta",
        "heads": config.size("num_attention_heads"),
        "key_head_dim": config.size(key),
        "value_head_dim": config.size(key),
        "conv": config.size("short_conv_kernel_size"),
        "float32": True,
        "gate": {"activation": "sigmoid"},
    }
    bound = config.number("kda_lower_bound")
    if config.flag("kda_safe_gate"):
        delta["lower_bound"] = bound
    full = latent_attention(
        config,
        rope(config, 6_000_000.0, pairing="interleaved"),
        gate={"activation": "sigmoid", "per": "head"},
    )
    group = config.size("layer_group_size")
    kinds = layers.kinds(
        config,
        lambda index: LINEAR if (index + 1) % group else layers.FULL,
        (LINEAR, layers.FULL),
    )

    def block(kind: str, body: str) -> Fields:
        mixture = corrected_experts(config, "num_local_experts")
        return {
            "mixer": delta if kind == LINEAR else full,
            "feedforward": gated_feedforward(config) if body == "dense" else mixture,
        }

    order, blocks = layers.combined(list(zip(kinds, inner(config), strict=True)), block, NAMES)
    checkpoint: Fields = {"prefix": "model.", "tensors": _rules(kinds)}
    draft = decoder(config, order, blocks, norm=rmsnorm(config), checkpoint=checkpoint)
    return without_mtp(config, draft)


def _rules(kinds: list[str]) -> Fields:
    """Both mixers have a `g_proj`, but only latent attention calls it `gate_proj` here."""
    out: Fields = {}
    for index in [index for index, kind in enumerate(kinds) if kind == layers.FULL]:
        for theirs in ("self_attn", "attention"):
            out[f"layers.{index}.{theirs}.g_proj"] = f"layers.{index}.self_attn.gate_proj"
    out |= layered({**MEMORY, **gated_block(), "mlp.gate.expert_bias": "mlp.router_correction"})
    out["layers.{layer}.mlp.gate"] = out.pop("layers.{layer}.mlp.gate")
    return out | {
        f"{THEIRS}.dense": "layers.{layer}.self_attn.o_proj",
        THEIRS: "layers.{layer}.self_attn",
        "word_embeddings": "embed_tokens",
    }


BAILING_HYBRID = Family(
    model_type="bailing_hybrid",
    describe=_describe,
    defaults={
        "vocab_size": 157_184,
        "hidden_size": 2560,
        "intermediate_size": 6144,
        "moe_intermediate_size": 768,
        "num_hidden_layers": 42,
        "num_attention_heads": 32,
        "num_key_value_heads": 32,
        "num_local_experts": 512,
        "num_experts_per_tok": 8,
        "n_shared_experts": 1,
        "n_group": 8,
        "topk_group": 4,
        "routed_scaling_factor": 2.5,
        "norm_topk_prob": True,
        "first_k_dense_replace": 2,
        "hidden_act": "silu",
        "max_position_embeddings": 262_144,
        "rms_norm_eps": 1e-6,
        "kv_lora_rank": 512,
        "qk_nope_head_dim": 128,
        "qk_rope_head_dim": 64,
        "v_head_dim": 128,
        "linear_head_dim": 128,
        "short_conv_kernel_size": 4,
        "layer_group_size": 6,
        "kda_safe_gate": True,
        "kda_lower_bound": -5.0,
        "num_mtp_layers": 1,
    },
    aliases=ALIASES,
    # Written back from other keys, or for training alone.
    ignored=TRAINING
    | DERIVED
    | {"linear_conv_kernel_dim", "linear_num_heads", "mtp_loss_scaling_factor", "pretraining_tp"},
    only={
        "gated_attention_proj_granularity_type": "head_wise",
        "moe_router_enable_expert_bias": True,
        "no_kda_lora": True,
        "q_lora_rank": None,
        "rope_interleave": True,
        "score_function": "sigmoid",
        "use_bias": False,
        "use_qkv_bias": False,
    },
)
