"""Cases of our own: for each family what takes every branch of it."""

from __future__ import annotations

from typing import Any

from .acceptance import tiny

TWO: dict[str, Any] = {"num_key_value_heads": 2}
MIXED = ["sliding_attention", "full_attention", "sliding_attention", "full_attention"]
CONVS = ["conv", "conv", "full_attention", "conv"]
LONGROPE: dict[str, Any] = {
    "rope_type": "longrope",
    "short_factor": [1.0 + 0.1 * pair for pair in range(8)],
    "long_factor": [2.0 + 0.5 * pair for pair in range(8)],
    "rope_theta": 10000.0,
}
LLAMA3 = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 32,
    "rope_theta": 500000.0,
}
GRANITE: dict[str, Any] = {
    **TWO,
    "attention_multiplier": 0.3,
    "embedding_multiplier": 3.0,
    "logits_scaling": 0.5,
    "residual_multiplier": 0.4,
    "attention_bias": True,
}
FALCON: dict[str, Any] = {"ffn_hidden_size": 96}
LAGUNA: dict[str, Any] = {
    **TWO,
    "layer_types": MIXED,
    "num_attention_heads_per_layer": [4, 2, 4, 2],
    "moe_router_logit_softcapping": 1.5,
    "moe_routed_scaling_factor": 1.5,
}
T5: dict[str, Any] = {
    "d_kv": 12,
    "num_heads": 4,
    "num_layers": 3,
    "num_decoder_layers": 2,
    "relative_attention_num_buckets": 16,
    "relative_attention_max_distance": 24,
}
BART: dict[str, Any] = {
    "encoder_layers": 3,
    "encoder_attention_heads": 8,
    "encoder_ffn_dim": 96,
    "decoder_layers": 2,
    "decoder_attention_heads": 4,
    "decoder_ffn_dim": 80,
}

FAMILIES = {
    "mixtral": tiny("mixtral", **TWO),
    "mixtral-full": tiny("mixtral", **TWO, sliding_window=None, head_dim=24),
    "qwen3_moe": tiny("qwen3_moe", **TWO, head_dim=24, mlp_only_layers=[1], norm_topk_prob=True),
    "qwen3_moe-windows": tiny(
        "qwen3_moe", **TWO, use_sliding_window=True, decoder_sparse_step=2, attention_bias=True
    ),
    "qwen2_moe": tiny("qwen2_moe", **TWO, decoder_sparse_step=2),
    "qwen2_moe-windows": tiny(
        "qwen2_moe",
        **TWO,
        use_sliding_window=True,
        max_window_layers=3,
        mlp_only_layers=[3],
        norm_topk_prob=True,
    ),
    "gemma": tiny("gemma", **TWO, head_dim=24),
    "gemma2": tiny(
        "gemma2",
        **TWO,
        query_pre_attn_scalar=24,
        attn_logit_softcapping=3.0,
        final_logit_softcapping=5.0,
    ),
    "olmo": tiny("olmo", **TWO, clip_qkv=0.5),
    "olmo2": tiny("olmo2", **TWO),
    "olmo3-scaled": tiny(
        "olmo3",
        **TWO,
        rope_parameters={
            "full_attention": {
                "rope_type": "yarn",
                "factor": 8.0,
                "original_max_position_embeddings": 16,
                "rope_theta": 500000.0,
            },
            "sliding_attention": {"rope_type": "default", "rope_theta": 10000.0},
        },
    ),
    "olmoe": tiny("olmoe", **TWO),
    "olmoe-renormalized": tiny("olmoe", norm_topk_prob=True),
    "phi": tiny("phi", **TWO),
    "phi-normed": tiny("phi", qk_layernorm=True, partial_rotary_factor=0.25),
    "phi3": tiny("phi3", **TWO, partial_rotary_factor=0.75),
    "phi3-short": tiny(
        "phi3", **TWO, original_max_position_embeddings=64, rope_parameters=LONGROPE
    ),
    "phi3-long": tiny("phi3", **TWO, original_max_position_embeddings=16, rope_parameters=LONGROPE),
    "phimoe": tiny(
        "phimoe", **TWO, attention_bias=True, lm_head_bias=True, router_jitter_noise=0.3
    ),
    "starcoder2": tiny("starcoder2", **TWO),
    "starcoder2-unbiased": tiny("starcoder2", **TWO, use_bias=False, sliding_window=None),
    "seed_oss": tiny("seed_oss", **TWO, attention_out_bias=True, mlp_bias=True),
    "smollm3": tiny("smollm3", **TWO),
    "smollm3-windows": tiny("smollm3", **TWO, use_sliding_window=True, no_rope_layer_interval=2),
    "glm4": tiny("glm4", **TWO),
    "glm4_moe": tiny(
        "glm4_moe",
        **TWO,
        use_qk_norm=True,
        attention_bias=True,
        n_routed_experts=8,
        n_shared_experts=2,
        n_group=4,
        topk_group=2,
        routed_scaling_factor=1.5,
    ),
    "cohere-plain": tiny("cohere", **TWO, logit_scale=2.0, attention_bias=True),
    "cohere2": tiny("cohere2", **TWO, logit_scale=2.0),
    "granite": tiny("granite", **GRANITE, mlp_bias=True),
    "granitemoe": tiny("granitemoe", **GRANITE),
    "gpt_neox-linear": tiny(
        "gpt_neox",
        rope_parameters={
            "rope_type": "linear",
            "factor": 4.0,
            "rope_theta": 10000.0,
            "partial_rotary_factor": 0.5,
        },
    ),
    "gptj": tiny("gptj", n_layer=3, rotary_dim=8),
    "stablelm": tiny("stablelm", **TWO, use_qkv_bias=True),
    "stablelm-parallel": tiny("stablelm", **TWO, use_parallel_residual=True),
    "stablelm-normed": tiny("stablelm", **TWO, qk_layernorm=True),
    "opt-weightless": tiny(
        "opt", num_hidden_layers=2, layer_norm_elementwise_affine=False, enable_bias=False
    ),
    "bloom": tiny("bloom", n_layer=3, n_head=4),
    "bloom-six-heads": tiny("bloom", n_layer=3, hidden_size=96, n_head=6),
    "falcon-7b": tiny("falcon", **FALCON),
    "falcon-40b": tiny("falcon", **FALCON, new_decoder_architecture=True, num_kv_heads=2),
    "falcon-11b": tiny(
        "falcon",
        **FALCON,
        new_decoder_architecture=True,
        num_kv_heads=2,
        num_ln_in_parallel_attn=1,
    ),
    "falcon-rw": tiny("falcon", alibi=True, parallel_attn=False, multi_query=False, bias=True),
    "dbrx": tiny(
        "dbrx",
        n_layers=3,
        n_heads=4,
        max_seq_len=256,
        attn_config={"clip_qkv": 0.5, "kv_n_heads": 2, "rope_theta": 10000.0},
        ffn_config={"ffn_hidden_size": 32, "moe_num_experts": 8, "moe_top_k": 2},
    ),
    "exaone4": tiny("exaone4", **TWO),
    "exaone4-full": tiny("exaone4", **TWO, sliding_window=None, layer_types=["full_attention"] * 4),
    "llama4_text-stretched": tiny(
        "llama4_text",
        **TWO,
        intermediate_size=32,
        intermediate_size_mlp=96,
        attention_chunk_size=8,
        num_experts_per_tok=2,
        floor_scale=4,
        attn_scale=0.5,
        use_qk_norm=False,
        rope_parameters=LLAMA3,
    ),
    "ernie4_5_moe": tiny(
        "ernie4_5_moe", **TWO, moe_num_experts=8, moe_k=2, use_bias=True, moe_layer_interval=2
    ),
    "hunyuan_v1_moe": tiny("hunyuan_v1_moe", **TWO, moe_topk=2),
    "hunyuan_v1_moe-alpha": tiny(
        "hunyuan_v1_moe",
        **TWO,
        moe_topk=2,
        rope_parameters={"rope_type": "dynamic", "alpha": 4.0, "factor": 1.0},
    ),
    "minimax_m2": tiny("minimax_m2", **TWO, rotary_dim=8),
    "afmoe": tiny(
        "afmoe",
        **TWO,
        num_dense_layers=1,
        mup_enabled=True,
        route_scale=1.5,
        global_attn_every_n_layers=2,
        attention_bias=True,
    ),
    "laguna": tiny("laguna", **LAGUNA),
    "laguna-elements": tiny("laguna", **LAGUNA, gating="per-element", attention_bias=True),
    "lfm2": tiny(
        "lfm2", **TWO, full_attn_idxs=[2], block_ffn_dim_multiplier=1.3, block_multiple_of=24
    ),
    "lfm2-biased": tiny(
        "lfm2",
        **TWO,
        layer_types=CONVS,
        conv_bias=True,
        conv_L_cache=4,
        block_auto_adjust_ff_dim=False,
    ),
    "lfm2-attention": tiny("lfm2", **TWO, tie_word_embeddings=False),
    "lfm2_moe": tiny(
        "lfm2_moe", **TWO, layer_types=CONVS, num_dense_layers=2, routed_scaling_factor=1.5
    ),
    "lfm2_moe-plain": tiny(
        "lfm2_moe",
        **TWO,
        layer_types=["conv", "full_attention", "full_attention", "conv"],
        num_dense_layers=1,
        use_expert_bias=False,
        norm_topk_prob=False,
        conv_bias=True,
    ),
    "minimax": tiny("minimax", **TWO, block_size=16),
    "minimax-scaled": tiny(
        "minimax",
        **TWO,
        **{
            f"{kind}_alpha_factor": 3.5565588200778455
            for kind in ("full_attn", "linear_attn", "mlp")
        },
        layer_types=["linear_attention", "full_attention", "linear_attention", "linear_attention"],
        rms_norm_eps=0.01,
        sliding_window=None,
        head_dim=24,
    ),
    "qwen3_next": tiny(
        "qwen3_next",
        **TWO,
        layer_types=["full_attention", "linear_attention"] * 2,
        decoder_sparse_step=2,
        attention_bias=True,
        norm_topk_prob=False,
        linear_key_head_dim=8,
        linear_conv_kernel_dim=3,
        partial_rotary_factor=0.5,
    ),
    "qwen3_5_text": tiny("qwen3_5_text", **TWO, tie_word_embeddings=True),
    "qwen3_5_text-biased": tiny(
        "qwen3_5_text",
        **TWO,
        attention_bias=True,
        linear_num_key_heads=4,
        linear_value_head_dim=8,
        rope_parameters={
            "rope_type": "default",
            "rope_theta": 100000.0,
            "partial_rotary_factor": 0.5,
            "mrope_section": [2, 1, 1],
            "mrope_interleaved": True,
        },
    ),
    "qwen3_5_moe_text": tiny("qwen3_5_moe_text", **TWO),
    "t5": tiny("t5", **T5, d_ff=96),
    "t5-gated": tiny(
        "t5", **T5, d_ff=80, feed_forward_proj="gated-gelu", tie_word_embeddings=False
    ),
    "t5-gated-silu": tiny(
        "t5", **(T5 | {"num_decoder_layers": None}), d_ff=80, feed_forward_proj="gated-silu"
    ),
    "bart": tiny("bart", **BART),
    "bart-scaled": tiny(
        "bart",
        **(BART | {"decoder_layers": 4}),
        scale_embedding=True,
        activation_function="relu",
    ),
}
