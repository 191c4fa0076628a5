"""Qwen3-Next: three Gated DeltaNets to one gated attention, fine experts beside a shared one."""

from __future__ import annotations

from typing import Any

from archspec.importers import layers
from archspec.importers.checkpoint import layered
from archspec.importers.config import Config
from archspec.importers.experts import TRAINING, experts, one_by_one
from archspec.importers.families.qwen2_moe import sparse
from archspec.importers.family import Draft, Family, Fields
from archspec.importers.parts import attention, decoder, gated_feedforward, rmsnorm
from archspec.importers.rope import rope

LINEAR = "linear_attention"
NAMES = {LINEAR: "deltanet", layers.FULL: "attention"}
_Rules = dict[str, str | list[str] | Fields]


def kinds(config: Config) -> list[str]:
    """The published kind of every layer: every fourth sees all unless the file says otherwise."""
    interval = config.size_or("full_attention_interval", 4)
    return layers.kinds(
        config,
        lambda index: LINEAR if (index + 1) % interval else layers.FULL,
        (LINEAR, layers.FULL),
    )


def mixer(config: Config, kind: str) -> Fields:
    """Gated DeltaNet, or attention with a gate for each number it gives."""
    config.only("hidden_act", "silu")  # it is the convolutions' as well
    delta: Fields = {
        "type": "gated_deltanet",
        "key_heads": config.size("linear_num_key_heads"),
        "value_heads": config.size("linear_num_value_heads"),
        "key_head_dim": config.size("linear_key_head_dim"),
        "value_head_dim": config.size("linear_value_head_dim"),
        "conv": config.size("linear_conv_kernel_dim"),
    }
    bias = config.flag("attention_bias")
    gate: Fields = {"activation": "sigmoid", "per": "element"}
    full = attention(
        config,
        qkv_bias=bias,
        output_bias=bias,
        qk_norm=True,
        # Positions of text are the same in all sections that images have.
        rope=rope(config, fraction=0.25, ignored={"mrope_interleaved", "mrope_section"}),
        gate=gate | ({"bias": True} if bias else {}),
    )
    return delta if kind == LINEAR else full


def mixture(config: Config, *, renormalize: bool) -> Fields:
    """The experts and the shared one."""
    shared: Fields = {
        "intermediate_size": config.size("shared_expert_intermediate_size"),
        "gate": True,
    }
    return experts(config, renormalize=renormalize, shared=shared)


def query_and_gate(config: Config) -> _Rules:
    """Queries and gate share a layer, head by head."""
    heads = config.size("num_attention_heads")
    ours = ["self_attn.q_proj", "self_attn.gate_proj"]
    return {"self_attn.q_proj": {"to": ours, "groups": heads}}


ENDS: _Rules = {
    "linear_attn.conv1d": [f"linear_attn.{name}_conv1d" for name in "qkv"],
    "linear_attn.norm": "linear_attn.o_norm",
    "linear_attn.out_proj": "linear_attn.o_proj",
}
EXPERTS: _Rules = {
    **one_by_one(),
    "mlp.gate": "mlp.router",
    "mlp.shared_expert": "mlp.shared",
    "mlp.shared_expert_gate": "mlp.shared_gate",
}
MTP = "mtp"
"""What the layers for multi-token prediction are called in a file."""


def _describe(config: Config) -> Draft:
    def block(kind: str, inner: str) -> Fields:
        dense = gated_feedforward(config)
        fine = mixture(config, renormalize=config.flag("norm_topk_prob"))
        return {"mixer": mixer(config, kind), "feedforward": dense if inner == "dense" else fine}

    order, blocks = layers.combined(
        list(zip(kinds(config), sparse(config), strict=True)), block, NAMES
    )
    # Each key head with the value heads it serves, one after the other.
    groups = config.size("linear_num_key_heads")
    parts = [f"linear_attn.{name}_proj" for name in "qkvg"]
    names: _Rules = {
        **query_and_gate(config),
        "linear_attn.in_proj_qkvz": {"to": parts, "groups": groups},
        "linear_attn.in_proj_ba": {
            "to": ["linear_attn.b_proj", "linear_attn.a_proj"],
            "groups": groups,
        },
        **ENDS,
        **EXPERTS,
    }
    checkpoint = {"prefix": "model.", "tensors": layered(names), "ignore": [MTP]}
    norm = rmsnorm(config, zero_centered=True)
    return decoder(config, order, blocks, norm=norm, checkpoint=checkpoint)


DEFAULTS: dict[str, Any] = {
    "num_attention_heads": 16,
    "num_key_value_heads": 2,
    "head_dim": 256,
    "hidden_act": "silu",
    "max_position_embeddings": 32_768,
    "rms_norm_eps": 1e-6,
    "linear_conv_kernel_dim": 4,
    "linear_key_head_dim": 128,
    "linear_value_head_dim": 128,
    "linear_num_key_heads": 16,
    "linear_num_value_heads": 32,
}
FINE: dict[str, Any] = {"moe_intermediate_size": 512, "shared_expert_intermediate_size": 512}

QWEN3_NEXT = Family(
    model_type="qwen3_next",
    describe=_describe,
    defaults={
        **DEFAULTS,
        **FINE,
        "vocab_size": 151_936,
        "hidden_size": 2048,
        "intermediate_size": 5632,
        "num_hidden_layers": 48,
        "decoder_sparse_step": 1,
        "num_experts": 512,
        "num_experts_per_tok": 10,
        "norm_topk_prob": True,
    },
    ignored=TRAINING,
    only={"use_sliding_window": False},
)
