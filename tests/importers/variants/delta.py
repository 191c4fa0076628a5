"""Hybrids of delta attention, with a decay for each channel, and latent attention."""

from __future__ import annotations

from typing import Any

from .acceptance import tiny

LATENT: dict[str, Any] = {
    "num_key_value_heads": 4,
    "kv_lora_rank": 16,
    "qk_nope_head_dim": 16,
    "qk_rope_head_dim": 8,
    "v_head_dim": 12,
}
KIMI: dict[str, Any] = {**LATENT, "linear_head_dim": 16, "linear_num_heads": 4}
MIXED = ["linear_attention", "full_attention", "linear_attention", "linear_attention"]

DELTA = {
    "kimi_linear": tiny("kimi_linear", **KIMI, layer_types=MIXED, n_shared_experts=2),
    "kimi_linear-groups": tiny(
        "kimi_linear",
        **(KIMI | {"linear_head_dim": 8, "linear_conv_kernel_dim": 3}),
        q_lora_rank=24,
        n_group=4,
        topk_group=2,
        norm_topk_prob=False,
        mlp_layer_types=["sparse", "dense", "dense", "sparse"],
        num_hidden_layers=4,
        layer_types=MIXED[::-1],
    ),
    "bailing_hybrid@acceptance": tiny(
        "bailing_hybrid",
        **LATENT,
        num_hidden_layers=6,
        layer_group_size=3,
        n_group=4,
        topk_group=2,
        first_k_dense_replace=1,
        num_mtp_layers=0,
    ),
    "bailing_hybrid-unbounded": tiny(
        "bailing_hybrid",
        **LATENT,
        layer_group_size=2,
        n_group=1,
        topk_group=1,
        kda_safe_gate=False,
        short_conv_kernel_size=3,
        norm_topk_prob=False,
    ),
}
