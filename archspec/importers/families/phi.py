"""Phi-1, 1.5 and 2 (arXiv 2309.05463): both branches read one norm, half a head rotates."""

from __future__ import annotations

from archspec.importers.checkpoint import layered
from archspec.importers.config import Config
from archspec.importers.family import Draft, Family
from archspec.importers.parts import attention, layernorm, plain_feedforward, uniform
from archspec.importers.rope import rope


def _describe(config: Config) -> Draft:
    normed = config.flag("qk_layernorm")
    mixer = attention(
        config,
        qkv_bias=True,
        output_bias=True,
        qk_norm=normed,
        rope=rope(config, fraction=0.5),
    )
    block = {
        "parallel": True,
        "shared_norm": True,
        "mixer": mixer,
        "feedforward": plain_feedforward(config, bias=True),
    }
    names = {
        "self_attn.dense": "self_attn.o_proj",
        **(_NORMS if normed else {}),
        "mlp.fc1": "mlp.up_proj",
        "mlp.fc2": "mlp.down_proj",
    }
    checkpoint = {"prefix": "model.", "tensors": {**layered(names), "final_layernorm": "norm"}}
    head = {"bias": True}
    return uniform(config, block, norm=layernorm(config), head=head, checkpoint=checkpoint)


_NORMS = {f"self_attn.{name}_layernorm": f"self_attn.{name}_norm" for name in "qk"}

PHI = Family(
    model_type="phi",
    describe=_describe,
    defaults={
        "vocab_size": 51_200,
        "hidden_size": 2048,
        "intermediate_size": 8192,
        "num_hidden_layers": 24,
        "num_attention_heads": 32,
        "hidden_act": "gelu_new",
        "max_position_embeddings": 2048,
        "layer_norm_eps": 1e-5,
    },
    ignored=frozenset({"embd_pdrop", "resid_pdrop"}),
)
