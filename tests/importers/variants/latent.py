"""Families of latent attention, with and without a selection of tokens."""

from __future__ import annotations

from typing import Any

from .acceptance import tiny

YARN = {
    "rope_type": "yarn",
    "factor": 8.0,
    "mscale": 1.0,
    "mscale_all_dim": 0.7,
    "original_max_position_embeddings": 32,
    "rope_theta": 10000.0,
}
SIZES: dict[str, Any] = {
    "num_key_value_heads": 4,
    "q_lora_rank": 24,
    "kv_lora_rank": 16,
    "qk_nope_head_dim": 16,
    "qk_rope_head_dim": 8,
    "v_head_dim": 12,
    "n_routed_experts": 8,
    "n_shared_experts": 2,
    "first_k_dense_replace": 1,
    "routed_scaling_factor": 1.5,
}
INDEX = {"index_n_heads": 32, "index_head_dim": 16, "index_topk": 9}
"""Few heads give scores that are equal: relu makes them zero."""

GROUPS = {"n_group": 4, "topk_group": 2}
LIMITED = {"topk_method": "group_limited_greedy"}

LATENT = {
    "deepseek_v2": tiny("deepseek_v2", **SIZES),
    "deepseek_v2-lite": tiny(
        "deepseek_v2", **(SIZES | {"q_lora_rank": None, "first_k_dense_replace": 0})
    ),
    "deepseek_v2-groups": tiny(
        "deepseek_v2", **SIZES, **GROUPS, **LIMITED, rope_parameters=YARN, attention_bias=True
    ),
    "deepseek_v2-biases": tiny("deepseek_v2", **(SIZES | {"v_head_dim": 32}), mlp_bias=True),
    "deepseek_v3": tiny("deepseek_v3", **SIZES, **GROUPS, rope_parameters=YARN),
    "deepseek_v3-half": tiny(
        "deepseek_v3",
        **(SIZES | {"q_lora_rank": None, "first_k_dense_replace": 2}),
        n_group=1,
        topk_group=1,
        rope_interleave=False,
        attention_bias=True,
        norm_topk_prob=False,
        rope_parameters=YARN | {"mscale_all_dim": 0.0},
    ),
    "deepseek_v32": tiny("deepseek_v32", **SIZES, **GROUPS, **INDEX, rope_parameters=YARN),
    "deepseek_v32-wide-index": tiny(
        "deepseek_v32",
        **SIZES,
        **(INDEX | {"index_head_dim": 8, "index_topk": 64}),
        n_group=1,
        topk_group=1,
        attention_bias=True,
        mlp_layer_types=["sparse", "dense", "sparse", "sparse"],
    ),
    "glm_moe_dsa": tiny("glm_moe_dsa", **SIZES, **INDEX, n_group=1, topk_group=1),
    "glm_moe_dsa@acceptance": tiny(
        "glm_moe_dsa",
        **(SIZES | INDEX | {"index_topk": 5}),
        **GROUPS,
        mlp_layer_types=["dense", "sparse", "sparse", "sparse"],
        indexer_types=["full", "shared", "full", "shared"],
    ),
    "deepseek_v3-no-mtp": tiny("deepseek_v3", **SIZES, **GROUPS, num_mtp_layers=0),
}
