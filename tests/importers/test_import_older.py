"""Files of older versions, and other spellings, mean what today's files mean."""

from __future__ import annotations

from typing import Any

import pytest

import archspec
from archspec.importers import import_config

LINEAR = {"rope_type": "linear", "factor": 8.0}
LLAMA3 = {
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
}
YARN = {"factor": 4.0, "original_max_position_embeddings": 4096}
LOCAL = {"sliding_attention": {"rope_type": "default", "rope_theta": 1e4}}

PAIRS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "base": ("llama", {"rope_theta": 5e5}, {"rope_parameters": {"rope_theta": 5e5}}),
    "type": (
        "llama",
        {"rope_scaling": {"type": "linear", "factor": 2.0}},
        {"rope_parameters": {"rope_type": "linear", "factor": 2.0}},
    ),
    "both-types": (
        "llama",
        {"rope_scaling": {"type": "linear", "rope_type": "linear", "factor": 2.0}},
        {"rope_parameters": {"rope_type": "linear", "factor": 2.0}},
    ),
    "llama3": (
        "llama",
        {"rope_theta": 5e5, "rope_scaling": {"rope_type": "llama3", **LLAMA3}},
        {"rope_parameters": {"rope_type": "llama3", "rope_theta": 5e5, **LLAMA3}},
    ),
    "yarn": (
        "qwen2",
        {"rope_scaling": {"type": "yarn", **YARN}},
        {"rope_parameters": {"rope_type": "yarn", **YARN}},
    ),
    "yarn-factor-left-out": (
        "qwen2",
        {"rope_scaling": {"type": "yarn", "original_max_position_embeddings": 4096}},
        {"rope_parameters": {"rope_type": "yarn", **YARN, "factor": 8.0}},
    ),
    "yarn-original-beside": (
        "qwen2",
        {"rope_scaling": {"type": "yarn", "factor": 4}, "original_max_position_embeddings": 4096},
        {"rope_parameters": {"rope_type": "yarn", **YARN}},
    ),
    "gemma3-bases": (
        "gemma3_text",
        {"rope_theta": 2e6, "rope_local_base_freq": 1e4, "rope_scaling": None},
        {"rope_parameters": {**LOCAL, "full_attention": {"rope_theta": 2e6}}},
    ),
    "gemma3-scaling": (
        "gemma3_text",
        {"rope_scaling": LINEAR},
        {"rope_parameters": {**LOCAL, "full_attention": {**LINEAR, "rope_theta": 1e6}}},
    ),
    "gemma3-pattern": (
        "gemma3_text",
        {"sliding_window_pattern": 2, "num_hidden_layers": 4},
        {"layer_types": ["sliding_attention", "full_attention"] * 2, "num_hidden_layers": 4},
    ),
    "gpt2-names": (
        "gpt2",
        {"n_embd": 64, "n_layer": 2, "n_head": 4, "n_positions": 32},
        {
            "hidden_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "max_position_embeddings": 32,
        },
    ),
    "gpt_oss-names": ("gpt_oss", {"num_experts": 16}, {"num_local_experts": 16}),
    "t5-names": (
        "t5",
        {"d_model": 64, "num_heads": 4, "d_kv": 16, "feed_forward_proj": "gated-gelu"},
        {
            "hidden_size": 64,
            "num_attention_heads": 4,
            "head_dim": 16,
            "dense_act_fn": "gelu_new",
            "is_gated_act": True,
        },
    ),
    "t5-head": ("t5", {"tie_word_embeddings": False}, {"scale_decoder_outputs": False}),
    "bart-layers": ("bart", {"encoder_layers": 2}, {"num_hidden_layers": 2}),
    "activation": ("llama", {"hidden_act": "swish"}, {"hidden_act": "silu"}),
    "key-heads": ("llama", {"num_key_value_heads": None}, {"num_key_value_heads": 32}),
    "head-width": ("qwen2", {"head_dim": None}, {"head_dim": 128}),
    "windows-off": ("qwen2", {"sliding_window": 8}, {"use_sliding_window": False}),
}


@pytest.mark.parametrize("case", PAIRS)
def test_both_spellings_make_one_spec(case: str) -> None:
    model_type, older, newer = PAIRS[case]
    texts = [import_config({"model_type": model_type, **keys}) for keys in (older, newer)]
    assert texts[0] == texts[1]


def test_every_name_of_the_tanh_gelu_is_one() -> None:
    names = ["gelu_new", "gelu_fast", "gelu_accurate", "gelu_pytorch_tanh", "gelu_python_tanh"]
    texts = {import_config({"model_type": "gpt2", "activation_function": n}) for n in names}
    assert len(texts) == 1


def test_the_wrapper_decides_whether_the_head_is_tied() -> None:
    config = {"model_type": "gemma3", "tie_word_embeddings": False, "text_config": {}}
    head = archspec.loads(import_config(config)).head
    assert head is not None and not head.tied
