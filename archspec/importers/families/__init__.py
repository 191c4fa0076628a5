"""The published families: one module for each, one line here."""

from __future__ import annotations

from archspec.importers.families import (
    bert,
    gemma3,
    gpt2,
    gpt_oss,
    llama,
    mistral,
    qwen2,
    qwen3,
)
from archspec.importers.family import Family, Wrapper

_ALL: tuple[Family | Wrapper, ...] = (
    bert.BERT,
    gemma3.TEXT,
    gemma3.MULTIMODAL,
    gpt2.GPT2,
    gpt_oss.GPT_OSS,
    llama.LLAMA,
    mistral.MISTRAL,
    qwen2.QWEN2,
    qwen3.QWEN3,
)

FAMILIES: dict[str, Family | Wrapper] = {family.model_type: family for family in _ALL}
"""Every family by the `model_type` of its configuration."""
