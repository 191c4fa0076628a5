"""What importers of hybrids by the delta rule read, and what they refuse."""

from __future__ import annotations

from typing import Any

import pytest

import archspec
from archspec.importers import ConfigError, import_config

from .oracle import published

TEXT: dict[str, Any] = {
    "model_type": "qwen3_5_moe_text",
    "num_hidden_layers": 4,
    "rope_parameters": {
        "rope_type": "default",
        "rope_theta": 10_000_000,
        "partial_rotary_factor": 0.25,
        "mrope_section": [11, 11, 10],
        "mrope_interleaved": True,
    },
    "mamba_ssm_dtype": "float32",
    "mtp_num_hidden_layers": 1,
    "attn_output_gate": True,
}


def test_a_whole_model_has_the_layers_and_rules_of_its_language_model() -> None:
    whole = {
        "model_type": "qwen3_5_moe",
        "architectures": ["Qwen3_5MoeForConditionalGeneration"],
        "text_config": TEXT,
        "vision_config": {"depth": 27},
        "image_token_id": 248_056,
    }
    alone, inside = (archspec.loads(import_config(config)) for config in (TEXT, whole))
    assert inside.blocks == alone.blocks
    assert inside.checkpoint.tensors == alone.checkpoint.tensors
    assert inside.checkpoint.prefix == "model.language_model."
    assert set(inside.checkpoint.ignore) == {"model.visual", "mtp"}


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("hidden_act", "gelu"),
        ("use_sliding_window", True),
        ("full_attention_interval", 0),
        ("linear_num_key_heads", 3),
        ("layer_types", ["sliding_attention"] * 48),
    ],
)
def test_what_is_not_expressed_is_refused_by_name(option: str, value: Any) -> None:
    name = "key_heads" if option == "linear_num_key_heads" else option
    with pytest.raises(ConfigError, match=name):
        import_config({**published("qwen3_next"), option: value})


def test_another_gate_is_refused() -> None:
    with pytest.raises(ConfigError, match="output_gate_type"):
        import_config({**TEXT, "output_gate_type": "sigmoid"})
