"""`context_length` is the longest text that a rotation reaches, whichever length a file states."""

from __future__ import annotations

from typing import Any

import pytest

import archspec
from archspec.importers import import_config

LLAMA3 = {"rope_type": "llama3", "low_freq_factor": 1.0, "high_freq_factor": 4.0}
DIVISORS = {"short_factor": [1.0] * 64, "long_factor": [2.0] * 64}

CASES: dict[str, tuple[str, dict[str, Any], dict[str, Any], int]] = {
    # transformers: "don't update max_position_embeddings to the expected new maximum".
    "linear": ("llama", {"max_position_embeddings": 4096}, {"type": "linear", "factor": 4}, 16_384),
    "dynamic": ("llama", {"max_position_embeddings": 2048}, {"type": "dynamic", "factor": 2}, 4096),
    "linear-stated": (
        "llama",
        {"max_position_embeddings": 16_384},
        {"type": "linear", "factor": 4, "original_max_position_embeddings": 4096},
        16_384,
    ),
    # Qwen2.5's card: https://huggingface.co/Qwen/Qwen2.5-7B-Instruct, 131,072 tokens.
    "yarn": (
        "qwen2",
        {"max_position_embeddings": 32_768},
        {"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32_768},
        131_072,
    ),
    "yarn-original-left-out": (
        "qwen2",
        {"max_position_embeddings": 32_768},
        {"type": "yarn", "factor": 4.0},
        131_072,
    ),
    # Qwen3's files have room for an answer beside what was trained.
    "yarn-more-than-original": (
        "qwen3",
        {"max_position_embeddings": 40_960},
        {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32_768},
        131_072,
    ),
    # DeepSeek-V3's and Kimi K2's files state the stretched length.
    "yarn-stated": (
        "deepseek_v3",
        {"max_position_embeddings": 163_840},
        {"type": "yarn", "factor": 40, "original_max_position_embeddings": 4096},
        163_840,
    ),
    "yarn-factor-left-out": (
        "qwen2",
        {"max_position_embeddings": 32_768},
        {"type": "yarn", "original_max_position_embeddings": 4096},
        32_768,
    ),
    # Llama 3.2 states less than its factor gives: 131,072, not 32 × 8192.
    "llama3-stated": (
        "llama",
        {"max_position_embeddings": 131_072},
        {**LLAMA3, "factor": 32.0, "original_max_position_embeddings": 8192},
        131_072,
    ),
    "llama3": (
        "llama",
        {"max_position_embeddings": 8192},
        {**LLAMA3, "factor": 8.0, "original_max_position_embeddings": 8192},
        65_536,
    ),
    # Phi-3.5's file, whose original length stands beside the rotation.
    "longrope-stated": (
        "phi3",
        {
            "hidden_size": 4096,
            "max_position_embeddings": 131_072,
            "original_max_position_embeddings": 4096,
        },
        {"type": "longrope", **DIVISORS},
        131_072,
    ),
    "longrope": (
        "phi3",
        {
            "hidden_size": 4096,
            "max_position_embeddings": 4096,
            "original_max_position_embeddings": 4096,
        },
        {"type": "longrope", "factor": 32.0, **DIVISORS},
        131_072,
    ),
    "unstretched": (
        "llama",
        {"max_position_embeddings": 4096},
        {"rope_type": "default"},
        4096,
    ),
    # Its local layers are not stretched, and its file states what its global ones are.
    "gemma3": (
        "gemma3_text",
        {"max_position_embeddings": 131_072},
        {"rope_type": "linear", "factor": 8.0},
        131_072,
    ),
    # HunYuan-A13B's file: `alpha` fixes a base.
    "hunyuan": (
        "hunyuan_v1_moe",
        {"max_position_embeddings": 32_768},
        {"type": "dynamic", "alpha": 1000.0, "factor": 4.0},
        32_768,
    ),
}


@pytest.mark.parametrize("key", ["rope_scaling", "rope_parameters"])
@pytest.mark.parametrize("case", CASES)
def test_context_is_what_the_rotation_reaches(case: str, key: str) -> None:
    model_type, sizes, scaling, expected = CASES[case]
    if key == "rope_parameters" and case == "gemma3":
        local = {"rope_type": "default", "rope_theta": 1e4}
        scaling = {"sliding_attention": local, "full_attention": {**scaling, "rope_theta": 1e6}}
    text = import_config({"model_type": model_type, **sizes, key: scaling})
    assert archspec.loads(text).context_length == expected


def test_each_kind_of_layer_may_be_stretched() -> None:
    yarn = {"rope_type": "yarn", "factor": 8.0, "original_max_position_embeddings": 8192}
    kinds = {"sliding_attention": {"rope_type": "default"}, "full_attention": yarn}
    config = {"model_type": "olmo3", "max_position_embeddings": 8192, "rope_parameters": kinds}
    assert archspec.loads(import_config(config)).context_length == 65_536


def test_kimi_k2_is_deepseek_v3_under_a_name_of_its_own() -> None:
    """Its rotation has equal betas: a step, where others have a ramp."""
    sizes = {"num_hidden_layers": 3, "max_position_embeddings": 131_072, "rope_theta": 5e4}
    scaling = {"type": "yarn", "factor": 32.0, "original_max_position_embeddings": 4096}
    scaling |= {"beta_fast": 1.0, "beta_slow": 1.0, "mscale": 1.0, "mscale_all_dim": 1.0}
    texts = [
        import_config({"model_type": kind, **sizes, "rope_scaling": scaling}, name="k2")
        for kind in ("kimi_k2", "deepseek_v3")
    ]
    first, second = (text.replace("kimi_k2", "deepseek_v3") for text in texts)
    assert first == second and "beta_fast: 1" in first
