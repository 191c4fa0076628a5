"""The mixers that bench/mixers.py times: a family of transformers, its sizes, its mixer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import DynamicCache
from transformers.models.minimax.modeling_minimax import MiniMaxCache

Call = Callable[[Any, nn.Module, Tensor, int, Any], Tensor]
"""Their model, its mixer, x (1, T, C), how many tokens came before, and their cache → (1, T, C)."""


def recurrent(_: Any, mixer: nn.Module, x: Tensor, start: int, cache: Any) -> Tensor:
    """A mixer that needs nothing but its state."""
    return mixer(hidden_states=x, cache_params=cache)


def convolved(_: Any, mixer: nn.Module, x: Tensor, start: int, cache: Any) -> Tensor:
    """The same where the state has the other name."""
    return mixer(x, past_key_values=cache)


def lightning(_: Any, mixer: nn.Module, x: Tensor, start: int, cache: Any) -> Tensor:
    """Linear attention without positions and without padding."""
    return mixer(x, None, None, past_key_values=cache)[0]


def latent(model: Any, mixer: nn.Module, x: Tensor, start: int, cache: Any) -> Tensor:
    """Softmax attention whose mask sdpa knows by itself."""
    return mixer(x, turned(model, x, start), None, past_key_values=cache)[0]


def selected(model: Any, mixer: nn.Module, x: Tensor, start: int, cache: Any) -> Tensor:
    """Softmax attention over tokens that are chosen within a mask."""
    tokens = x.shape[1]
    seen = torch.ones(tokens, start + tokens, dtype=torch.bool).tril(start)
    mask = torch.zeros(tokens, start + tokens).masked_fill(~seen, torch.finfo(x.dtype).min)
    return mixer(x, turned(model, x, start), mask[None, None], past_key_values=cache)[0]


def turned(model: Any, x: Tensor, start: int) -> Any:
    """Their rotary positions."""
    return model.model.rotary_emb(x, position_ids=torch.arange(start, start + x.shape[1])[None])


@dataclass(frozen=True)
class Case:
    """One mixer; `theirs` is the path to it and `before` the text before the decoded tokens."""

    family: str
    options: dict[str, Any]
    theirs: str = "model.layers.0.self_attn"
    call: Call = recurrent
    cache: Callable[[Any], Any] = lambda config: DynamicCache(config=config)
    trained: int = 1024
    before: int = 64


SMALL: dict[str, Any] = {"vocab_size": 256, "num_hidden_layers": 2, "pad_token_id": 0}
NARROW = SMALL | {"hidden_size": 512, "intermediate_size": 64}
WIDE = SMALL | {"hidden_size": 1024, "intermediate_size": 64}
MAMBA: dict[str, Any] = {"vocab_size": 256, "hidden_size": 768, "num_hidden_layers": 1}
LINEAR = {"layer_types": ["linear_attention", "full_attention"]}
LATENT = NARROW | {
    "first_k_dense_replace": 2,
    "num_attention_heads": 8,
    "num_key_value_heads": 8,
    "q_lora_rank": 256,
    "kv_lora_rank": 128,
    "qk_nope_head_dim": 64,
    "qk_rope_head_dim": 32,
    "v_head_dim": 64,
    "max_position_embeddings": 8192,
}
INDEX = {"index_n_heads": 16, "index_head_dim": 32, "index_topk": 256}
LIGHTNING = {"num_attention_heads": 16, "num_key_value_heads": 8, "head_dim": 64}


def mamba(family: str, **options: Any) -> Case:
    """A state space; the loop of transformers makes its training step quadratic, so it is short."""
    return Case(family, MAMBA | options, "backbone.layers.0.mixer", trained=256)


CASES: dict[str, Case] = {
    "mamba": mamba("mamba"),
    "falcon_mamba": mamba("falcon_mamba"),
    "mamba2": mamba("mamba2", num_heads=24, state_size=128, n_groups=1),
    "mamba2-groups": mamba("mamba2", num_heads=24, state_size=64, n_groups=8),
    "short_conv": Case(
        "lfm2",
        WIDE | {"layer_types": ["conv", "full_attention"]},
        "model.layers.0.conv",
        convolved,
    ),
    "lightning": Case(
        "minimax",
        WIDE | LINEAR | LIGHTNING | {"num_local_experts": 2},
        call=lightning,
        cache=lambda _: MiniMaxCache(),
    ),
    "gated_deltanet": Case(
        "qwen3_next",
        NARROW
        | LINEAR
        | {"linear_num_key_heads": 4, "linear_num_value_heads": 8, "mlp_only_layers": [0, 1]},
        "model.layers.0.linear_attn",
    ),
    "kimi_delta": Case(
        "kimi_linear", NARROW | LINEAR | {"linear_num_heads": 4, "mlp_layer_types": ["dense"] * 2}
    ),
    "latent": Case("deepseek_v3", LATENT, call=latent, before=1024),
    "latent-best": Case("deepseek_v32", LATENT | INDEX, call=selected, before=1024),
}
