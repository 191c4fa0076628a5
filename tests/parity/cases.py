"""Tiny configurations that together take every branch of the imported families' architectures."""

from __future__ import annotations

from typing import Any

from importers.variants.acceptance import ACCEPTANCE
from importers.variants.families import FAMILIES
from importers.variants.latent import LATENT

COMMON: dict[str, Any] = {
    "vocab_size": 256,
    "hidden_size": 64,
    "num_hidden_layers": 4,
    "intermediate_size": 96,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "max_position_embeddings": 256,
    "initializer_range": 0.1,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
GPT2: dict[str, Any] = {
    "vocab_size": 256,
    "n_positions": 256,
    "n_embd": 64,
    "n_head": 4,
    "n_layer": 4,
    "initializer_range": 0.1,
}
BERT = {key: COMMON[key] for key in COMMON if key not in ("head_dim", "num_key_value_heads")}
YARN = {
    "rope_type": "yarn",
    "factor": 8.0,
    "beta_fast": 32.0,
    "beta_slow": 1.0,
    "truncate": False,
    "original_max_position_embeddings": 32,
    "rope_theta": 150000.0,
}
LLAMA3 = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 32,
    "rope_theta": 500000.0,
}
LINEAR = {"rope_type": "linear", "factor": 4.0, "rope_theta": 10000.0}
WINDOWS = {"sliding_window": 8, "use_sliding_window": True, "max_window_layers": 2}
GPT_OSS = {
    "num_local_experts": 8,
    "num_experts_per_tok": 2,
    "sliding_window": 8,
    "rope_parameters": YARN,
}
GEMMA3_ROPE = {
    "sliding_attention": {"rope_type": "default", "rope_theta": 10000.0},
    "full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 1000000.0},
}

FIRST: dict[str, tuple[str, dict[str, Any]]] = {
    "bert": ("bert", BERT),
    "gpt2": ("gpt2", GPT2),
    "gpt2-wide": ("gpt2", GPT2 | {"n_inner": 80, "activation_function": "relu"}),
    "llama": ("llama", COMMON),
    "llama-llama3": ("llama", COMMON | {"rope_parameters": LLAMA3}),
    "llama-linear": ("llama", COMMON | {"rope_parameters": LINEAR}),
    "llama-yarn": ("llama", COMMON | {"rope_parameters": YARN | {"truncate": True}}),
    "llama-biases": ("llama", COMMON | {"attention_bias": True, "mlp_bias": True}),
    "llama-tied": ("llama", COMMON | {"tie_word_embeddings": True}),
    "mistral": ("mistral", COMMON | {"sliding_window": 8}),
    "mistral-full": ("mistral", COMMON | {"sliding_window": None}),
    "qwen2": ("qwen2", {k: v for k, v in COMMON.items() if k != "head_dim"}),
    "qwen2-windows": ("qwen2", {k: v for k, v in COMMON.items() if k != "head_dim"} | WINDOWS),
    "qwen3": ("qwen3", COMMON),
    "qwen3-tied": ("qwen3", COMMON | {"tie_word_embeddings": True}),
    "gemma3_text": (
        "gemma3_text",
        COMMON | {"num_hidden_layers": 7, "sliding_window": 8, "query_pre_attn_scalar": 24},
    ),
    "gemma3_text-linear": (
        "gemma3_text",
        COMMON | {"num_hidden_layers": 7, "sliding_window": 8, "rope_parameters": GEMMA3_ROPE},
    ),
    "gpt_oss": ("gpt_oss", COMMON | GPT_OSS),
}

CASES = FIRST | ACCEPTANCE | FAMILIES | LATENT
