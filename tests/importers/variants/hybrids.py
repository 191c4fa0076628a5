"""Families with state-space mixers: for each what takes every branch of it."""

from __future__ import annotations

from typing import Any

from .acceptance import tiny

TWO: dict[str, Any] = {"num_key_value_heads": 2}
MAMBA2: dict[str, Any] = {"num_heads": 8, "num_hidden_layers": 3, "chunk_size": 8}
NEMOTRON: dict[str, Any] = {
    **TWO,
    "mamba_num_heads": 6,
    "mamba_head_dim": 16,
    "ssm_state_size": 16,
    "n_groups": 2,
    "chunk_size": 8,
    "sliding_window": None,
    "moe_shared_expert_intermediate_size": 48,
    "routed_scaling_factor": 1.5,
}
FALCON: dict[str, Any] = {
    **TWO,
    "mamba_d_ssm": 128,
    "embedding_multiplier": 2.5,
    "lm_head_multiplier": 0.5,
    "key_multiplier": 0.7,
    "attention_in_multiplier": 1.25,
    "attention_out_multiplier": 0.8,
    "ssm_in_multiplier": 1.5,
    "ssm_out_multiplier": 0.6,
    "mlp_multipliers": [0.9, 0.4],
    "ssm_multipliers": [0.35, 0.25, 1.4, 0.5, 2.0],
}
GRIFFIN: dict[str, Any] = {
    "num_hidden_layers": 5,
    "attention_window_size": 8,
    "block_types": ["recurrent", "recurrent", "attention"],
    "hidden_activation": "gelu_pytorch_tanh",
}
SINGLE = ["linear_attention", "moe", "linear_attention", "full_attention", "mlp", "moe"]

HYBRIDS = {
    "mamba": tiny("mamba", num_hidden_layers=3, time_step_rank=4),
    "mamba-biases": tiny(
        "mamba", num_hidden_layers=2, use_bias=True, use_conv_bias=False, conv_kernel=3, expand=3
    ),
    "falcon_mamba": tiny("falcon_mamba", num_hidden_layers=2, use_bias=True, mixer_rms_eps=1e-3),
    "mamba2": tiny("mamba2", **MAMBA2, n_groups=2),
    "mamba2-biases": tiny(
        "mamba2",
        **MAMBA2,
        n_groups=1,
        use_bias=True,
        use_conv_bias=False,
        time_step_limit=(0.2, 0.7),
        tie_word_embeddings=True,
    ),
    "jamba": tiny(
        "jamba",
        **TWO,
        num_hidden_layers=6,
        attn_layer_period=3,
        attn_layer_offset=1,
        mamba_proj_bias=True,
        tie_word_embeddings=True,
    ),
    "jamba-dense": tiny("jamba", **TWO, num_experts=1, attn_layer_period=4, attn_layer_offset=2),
    "recurrent_gemma": tiny("recurrent_gemma", **GRIFFIN, num_key_value_heads=1),
    "recurrent_gemma-others": tiny(
        "recurrent_gemma",
        **{**GRIFFIN, "hidden_activation": "relu", "block_types": ["attention", "recurrent"]},
        attention_bias=True,
        logits_soft_cap=20.0,
        conv1d_width=3,
        tie_word_embeddings=False,
    ),
    "bamba": tiny("bamba", **TWO, attn_layer_indices=[1, 3], mamba_n_groups=4),
    "bamba-biases": tiny(
        "bamba",
        **TWO,
        attn_layer_indices=[2],
        attention_bias=True,
        mlp_bias=True,
        mamba_proj_bias=True,
        mamba_d_head="auto",
        time_step_limit=(0.0, 0.5),
    ),
    # With no attention at all, transformers cannot make the cache that it always makes.
    "granitemoehybrid-biases": tiny(
        "granitemoehybrid",
        **TWO,
        layer_types=["full_attention", *["linear_attention"] * 3],
        attention_bias=True,
        mamba_proj_bias=True,
        mamba_d_head="auto",
    ),
    "falcon_h1": tiny("falcon_h1", **FALCON, mamba_rms_norm=True, mamba_n_groups=2),
    "falcon_h1-ungated": tiny(
        "falcon_h1",
        **FALCON,
        attention_bias=True,
        mlp_bias=True,
        mamba_proj_bias=True,
        time_step_limit=(0.0, 0.5),
        tie_word_embeddings=True,
    ),
    "falcon_h1-gate-first": tiny(
        "falcon_h1",
        **FALCON | {"mamba_d_ssm": None, "ssm_multipliers": [1.0, 0.5, 0.5, 0.5, 1.0]},
        mamba_rms_norm=True,
        mamba_norm_before_gate=False,
        mamba_n_groups=4,
        mamba_d_head="auto",
        mamba_conv_bias=False,
        projectors_bias=True,
    ),
    "falcon_h1-plain": tiny("falcon_h1", **TWO, mamba_d_ssm=128, num_hidden_layers=2),
    "nemotron_h": tiny("nemotron_h", **NEMOTRON, layers_block_type=SINGLE),
    "nemotron_h-latent": tiny(
        "nemotron_h",
        **NEMOTRON,
        layers_block_type=SINGLE,
        moe_latent_size=24,
        mlp_bias=True,
        use_bias=True,
        n_group=4,
        topk_group=2,
        num_nextn_predict_layers=1,
    ),
    "nemotron_h-unnormalized": tiny(
        "nemotron_h",
        **NEMOTRON,
        layers_block_type=["mlp", "linear_attention", "full_attention", "moe"],
        norm_topk_prob=False,
        use_conv_bias=False,
        moe_latent_size=40,
    ),
}
