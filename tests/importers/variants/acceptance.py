"""The acceptance set: what every structural axis of softmax attention needs, by model type.

Of `COMMON` only those keys are taken that the type's configuration class has.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from transformers.models.auto.configuration_auto import CONFIG_MAPPING

COMMON: dict[str, Any] = {
    "vocab_size": 256,
    "hidden_size": 64,
    "num_hidden_layers": 4,
    "intermediate_size": 96,
    "num_attention_heads": 4,
    "head_dim": 16,
    "max_position_embeddings": 256,
    "initializer_range": 0.1,
    "init_std": 0.1,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "moe_intermediate_size": 32,
    "num_experts": 8,
    "num_local_experts": 8,
    "num_experts_per_tok": 2,
    "sliding_window": 8,
    "shared_expert_intermediate_size": 32,
    "linear_num_key_heads": 2,
    "linear_num_value_heads": 4,
    "linear_key_head_dim": 16,
    "linear_value_head_dim": 16,
    "n_positions": 256,
    "n_embd": 64,
    "n_head": 4,
    "ffn_dim": 96,
    "d_model": 64,
    "n_routed_experts": 8,
    "shared_intermediate_size": 32,
    "mamba_n_heads": 8,
    "mamba_d_head": 16,
    "mamba_d_state": 16,
    "mamba_chunk_size": 8,
    "mamba_dt_rank": 8,
    "mamba_expand": 2,
    "state_size": 16,
}


def tiny(kind: str, **changes: Any) -> tuple[str, dict[str, Any]]:
    """The configuration of `kind` at toy size with `changes`."""
    own = {field.name for field in dataclasses.fields(CONFIG_MAPPING[kind])}
    return kind, {key: value for key, value in COMMON.items() if key in own} | changes


LLAMA4: dict[str, Any] = {
    "num_key_value_heads": 2,
    "intermediate_size": 32,
    "intermediate_size_mlp": 96,
    "attention_chunk_size": 8,
    "num_experts_per_tok": 1,
    "floor_scale": 4,
}
YARN = {
    "rope_type": "yarn",
    "factor": 8.0,
    "beta_fast": 32.0,
    "beta_slow": 1.0,
    "truncate": False,
    "original_max_position_embeddings": 16,
    "rope_theta": 150000.0,
}
GEMMA4: dict[str, Any] = {
    "num_hidden_layers": 6,
    "num_key_value_heads": 2,
    "global_head_dim": 32,
    "layer_types": ["sliding_attention", "sliding_attention", "full_attention"] * 2,
}
MPT: dict[str, Any] = {"n_layers": 3, "n_heads": 4, "max_seq_len": 256}

GRANITE_HYBRID: dict[str, Any] = {
    "num_key_value_heads": 2,
    "layer_types": ["linear_attention", "linear_attention", "full_attention", "linear_attention"],
    "embedding_multiplier": 3.0,
    "logits_scaling": 2.0,
    "residual_multiplier": 0.5,
    "attention_multiplier": 0.2,
}

ACCEPTANCE = {
    "opt@acceptance": tiny("opt", num_hidden_layers=3, word_embed_proj_dim=64),
    "opt@350m": tiny(
        "opt", num_hidden_layers=3, word_embed_proj_dim=32, do_layer_norm_before=False
    ),
    "mpt@acceptance": tiny("mpt", **MPT),
    "mpt@learned": tiny(
        "mpt", **MPT, attn_config={"alibi": False, "clip_qkv": 0.5, "qk_ln": False}
    ),
    "gpt_neox@acceptance": tiny("gpt_neox"),
    "gpt_neox@seq": tiny("gpt_neox", use_parallel_residual=False, attention_bias=False),
    "cohere@acceptance": tiny("cohere", num_key_value_heads=2, use_qk_norm=True),
    "nanochat@acceptance": tiny("nanochat", num_key_value_heads=2),
    "olmo3@acceptance": tiny("olmo3", num_key_value_heads=2),
    "llama4_text@acceptance": tiny("llama4_text", **LLAMA4, interleave_moe_layer_step=2),
    "llama4_text@scout": tiny("llama4_text", **LLAMA4, interleave_moe_layer_step=1),
    "gemma4_text@acceptance": tiny(
        "gemma4_text",
        **GEMMA4,
        hidden_size_per_layer_input=8,
        vocab_size_per_layer_input=256,
        num_kv_shared_layers=2,
        use_double_wide_mlp=True,
        final_logit_softcapping=30.0,
    ),
    "gemma4_text@moe": tiny(
        "gemma4_text",
        **GEMMA4,
        num_global_key_value_heads=1,
        attention_k_eq_v=True,
        hidden_size_per_layer_input=0,
        enable_moe_block=True,
        top_k_experts=2,
    ),
    "gpt_oss@acceptance": tiny("gpt_oss", num_key_value_heads=2, rope_parameters=YARN),
    "granitemoehybrid@acceptance": tiny("granitemoehybrid", **GRANITE_HYBRID, mamba_n_groups=2),
    "granitemoehybrid@rope": tiny(
        "granitemoehybrid",
        **GRANITE_HYBRID,
        position_embedding_type="rope",
        num_local_experts=0,
        num_experts_per_tok=0,
    ),
    "falcon_mamba@acceptance": tiny(
        "falcon_mamba", num_hidden_layers=3, intermediate_size=128, time_step_rank=4
    ),
    "lfm2@acceptance": tiny(
        "lfm2",
        num_key_value_heads=2,
        layer_types=["conv", "conv", "full_attention", "conv"],
        full_attn_idxs=None,
    ),
    "qwen3_next@acceptance": tiny("qwen3_next", num_key_value_heads=2, mlp_only_layers=[1]),
}
