"""The models that bench/cpu.py times: published families at sizes that a CPU runs in seconds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

VOCABULARY = 32_000
WINDOW = 512
CONTEXT = 8_192

WIDE: dict[str, Any] = {
    "hidden_size": 512,
    "num_hidden_layers": 8,
    "num_attention_heads": 8,
    "num_key_value_heads": 2,
    "intermediate_size": 1408,
}
DEEP: dict[str, Any] = {
    "hidden_size": 256,
    "num_hidden_layers": 24,
    "num_attention_heads": 4,
    "num_key_value_heads": 1,
    "intermediate_size": 704,
}
SIZES = {"wide": WIDE, "deep": DEEP}

EXPERTS = {"num_experts": 32, "num_experts_per_tok": 4, "norm_topk_prob": True}
FAMILIES: dict[str, dict[str, Any]] = {
    "llama": {},
    "gemma3_text": {
        "sliding_window": WINDOW,
        "query_pre_attn_scalar": 64,
        "tie_word_embeddings": True,
    },
    "qwen3_moe": EXPERTS,
}


@dataclass(frozen=True)
class Shape:
    """One configuration: a family of transformers and a size."""

    family: str
    size: str
    changes: dict[str, Any] = field(default_factory=dict[str, Any])

    @property
    def name(self) -> str:
        """`llama-wide`."""
        return f"{self.family}-{self.size}"

    def options(self) -> dict[str, Any]:
        """The arguments of the family's configuration class."""
        size = SIZES[self.size]
        common = {
            "vocab_size": VOCABULARY,
            "head_dim": 64,
            "max_position_embeddings": CONTEXT,
            # In an expert, half the hidden size: four of them have the width of a dense layer.
            "moe_intermediate_size": size["hidden_size"] // 2,
            "pad_token_id": 0,
            "bos_token_id": 1,
            "eos_token_id": 2,
        }
        if self.family != "qwen3_moe":
            del common["moe_intermediate_size"]
        return common | size | FAMILIES[self.family] | self.changes

    def __str__(self) -> str:
        """The sizes in words."""
        o = self.options()
        words = (
            f"{o['num_hidden_layers']} layers of width {o['hidden_size']}, "
            f"{o['num_attention_heads']} heads share {o['num_key_value_heads']} of width "
            f"{o['head_dim']}, "
        )
        if "num_experts" in o:
            words += (
                f"{o['num_experts_per_tok']} of {o['num_experts']} experts of width "
                f"{o['moe_intermediate_size']}"
            )
        else:
            words += f"feed-forward {o['intermediate_size']}"
        if "sliding_window" in o:
            words += f", windows of {o['sliding_window']} in 5 of 6 layers"
        return f"{words}, vocabulary {o['vocab_size']:,}"


SHAPES = tuple(Shape(family, size) for family in FAMILIES for size in SIZES)
