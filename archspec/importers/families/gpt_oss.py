"""gpt-oss (arXiv 2508.10925): sinks, windows in every second layer, clamped experts."""

from __future__ import annotations

from archspec.importers import layers
from archspec.importers.config import Config
from archspec.importers.family import Draft, Family, Fields
from archspec.importers.parts import attention, decoder, rmsnorm
from archspec.importers.rope import rope

_ROPE: Fields = {
    "rope_type": "yarn",
    "factor": 32.0,
    "truncate": False,
    "original_max_position_embeddings": 4096,
}


def _describe(config: Config) -> Draft:
    bias = config.flag("attention_bias")
    rotation = rope(config, theta=150_000.0, default=_ROPE)
    types = layers.kinds(config, lambda index: layers.FULL if index % 2 else layers.SLIDING)
    experts = _experts(config)

    def block(kind: str) -> Fields:
        mixer = attention(
            config,
            window=layers.window_of(config, kind),
            qkv_bias=bias,
            output_bias=bias,
            rope=rotation,
            sinks=True,
        )
        return {"mixer": mixer, "feedforward": experts}

    order, blocks = layers.blocks(types, block)
    return decoder(config, order, blocks, norm=rmsnorm(config), checkpoint=_checkpoint())


def _experts(config: Config) -> Fields:
    top_k = config.size("num_experts_per_tok")
    if config.given("experts_per_token") and config.size("experts_per_token") != top_k:
        config.refuse("experts_per_token", f"but `num_experts_per_tok` is {top_k}")
    return {
        "type": "moe",
        "experts": config.size("num_local_experts"),
        "top_k": top_k,
        "intermediate_size": config.size("intermediate_size"),
        # x · σ(1.702 x), whatever `hidden_act` says: the family's code does not read it.
        "activation": "quick_gelu",
        "bias": True,
        "clamp": config.number("swiglu_limit"),
        "up_offset": 1.0,
        "router": {"bias": True},
        # A softmax over the chosen is a softmax over all, renormalised.
        "renormalize": True,
    }


def _checkpoint() -> Fields:
    experts = "layers.{layer}.mlp.experts."
    rules: dict[str, Fields] = {
        "gate_up_proj": {"transpose": True, "interleaved": True, "axis": 1},
        "gate_up_proj_bias": {"interleaved": True, "axis": 1},
        "down_proj": {"transpose": True},
    }
    tensors = {experts + name: {"to": experts + name, **rule} for name, rule in rules.items()}
    return {"prefix": "model.", "tensors": tensors}


GPT_OSS = Family(
    model_type="gpt_oss",
    describe=_describe,
    defaults={
        "num_hidden_layers": 36,
        "num_local_experts": 128,
        "vocab_size": 201_088,
        "hidden_size": 2880,
        "intermediate_size": 2880,
        "head_dim": 64,
        "num_attention_heads": 64,
        "num_key_value_heads": 8,
        "sliding_window": 128,
        "max_position_embeddings": 131_072,
        "rms_norm_eps": 1e-5,
        "num_experts_per_tok": 4,
        "swiglu_limit": 7.0,
        "attention_bias": True,
    },
    aliases={"num_experts": "num_local_experts"},
    ignored=frozenset(
        {
            # `original_max_position_embeddings` under another name, which nothing reads.
            "initial_context_length",
            # The load-balancing loss of training.
            "output_router_logits",
            "router_aux_loss_coef",
        }
    ),
    only={"hidden_act": "silu", "swiglu_alpha": 1.702},
)
