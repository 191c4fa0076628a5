"""Models of transformers without memory, and what their configurations look like as files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM, AutoModelForSeq2SeqLM

HERE = Path(__file__).parent

TINY: dict[str, Any] = {
    "vocab_size": 97,
    "hidden_size": 32,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "max_position_embeddings": 64,
}
WIDE = {"intermediate_size": 48}
GROUPED = {**WIDE, "num_key_value_heads": 2}


def published(family: str) -> dict[str, Any]:
    """The published file of a known model of `family`."""
    return json.loads((HERE / "published" / f"{family}.json").read_text())


def configuration(model_type: str, **changes: Any) -> Any:
    """The configuration object with `changes`."""
    return AutoConfig.for_model(model_type, **changes)


def as_file(config: Any) -> dict[str, Any]:
    """What `save_pretrained` writes, read back."""
    return json.loads(json.dumps(config.to_dict()))


def model(config: Any) -> torch.nn.Module:
    """The model that `config` describes, on the meta device."""
    kind = AutoModel if config.model_type == "bert" else AutoModelForCausalLM
    kind = AutoModelForSeq2SeqLM if config.is_encoder_decoder else kind
    with torch.device("meta"):
        return kind.from_config(config)


def shapes(module: torch.nn.Module) -> dict[str, tuple[int, ...]]:
    """Published name → shape."""
    return {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
