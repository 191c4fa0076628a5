"""Phi-3 and Phi-4 (arXiv 2404.14219, 2412.08905): Llama's layer with fused projections."""

from __future__ import annotations

from archspec.importers import layers
from archspec.importers.checkpoint import GATE_UP, QKV, layered
from archspec.importers.config import Config
from archspec.importers.family import Draft, Family
from archspec.importers.parts import attention, gated_feedforward, rmsnorm, uniform
from archspec.importers.rope import rope


def _describe(config: Config) -> Draft:
    rotation = rope(config, fraction=1.0)
    block = {
        "mixer": attention(config, window=layers.window(config), rope=rotation),
        "feedforward": gated_feedforward(config),
    }
    names = {"self_attn.qkv_proj": QKV, "mlp.gate_up_proj": GATE_UP}
    checkpoint = {"prefix": "model.", "tensors": layered(names)}
    return uniform(config, block, norm=rmsnorm(config), checkpoint=checkpoint)


PHI3 = Family(
    model_type="phi3",
    describe=_describe,
    defaults={
        "vocab_size": 32_064,
        "hidden_size": 3072,
        "intermediate_size": 8192,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "hidden_act": "silu",
        "max_position_embeddings": 4096,
        "original_max_position_embeddings": 4096,
        "rms_norm_eps": 1e-5,
    },
    # The context before stretching says nothing where nothing is stretched.
    ignored=frozenset({"embd_pdrop", "original_max_position_embeddings", "resid_pdrop"}),
    only={"attention_bias": False},
)
