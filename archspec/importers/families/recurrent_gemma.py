"""RecurrentGemma (arXiv 2404.07839): Griffin's recurrent blocks, and windows now and then."""

from __future__ import annotations

from math import frexp, ldexp, sqrt

from archspec.importers import layers
from archspec.importers.checkpoint import layered
from archspec.importers.config import Config
from archspec.importers.family import Draft, Family, Fields
from archspec.importers.parts import activation, attention, decoder, rmsnorm
from archspec.importers.rope import rope

_KINDS = {"recurrent": "linear_attention", "attention": "sliding_attention"}
_NAMES = {"linear_attention": "recurrent", "sliding_attention": "local"}


def _describe(config: Config) -> Draft:
    bias, width = config.flag("attention_bias"), config.size("hidden_size")
    act = activation(config, "hidden_activation")
    if config.size("intermediate_size") % 2:
        config.refuse("intermediate_size", "expected an even number: gate and up are half as wide")
    # Both are read, so that a model without one may still carry its sizes.
    mixers: dict[str, Fields] = {
        "linear_attention": {
            "type": "rg_lru",
            "inner_dim": config.size_or("lru_width", width),
            "heads": config.size("num_attention_heads"),
            "conv": config.size("conv1d_width"),
            **({} if act == "gelu_tanh" else {"activation": act}),
        },
        "sliding_attention": attention(
            config,
            window=config.size("attention_window_size"),
            qkv_bias=bias,
            output_bias=True,
            rope=rope(config, fraction=0.5),
        ),
    }
    inner: Fields = {
        "type": "dense",
        "intermediate_size": config.size("intermediate_size") // 2,
        "activation": act,
        "gated": True,
        "bias": True,
    }
    order, blocks = layers.blocks(
        _kinds(config), lambda kind: {"mixer": mixers[kind], "feedforward": inner}, _NAMES
    )
    cap = config.number("logits_soft_cap")
    return decoder(
        config,
        order,
        blocks,
        norm=rmsnorm(config, zero_centered=True),
        # A buffer in bfloat16, whatever the type of the model.
        embedding={"scale": _bfloat16(sqrt(width))},
        head={"softcap": cap} if cap else None,
        context_length=8192,
        checkpoint=_checkpoint(_kinds(config)),
    )


def _kinds(config: Config) -> list[str]:
    """The kind of each layer: `block_types`, again and again."""
    pattern = config.words("block_types")
    for kind in dict.fromkeys(pattern):
        if kind not in _KINDS:
            config.refuse("block_types", f"{kind[:60]!r} is no kind of layer that archspec knows")
    count = layers.count(config)
    return [_KINDS[pattern[index % len(pattern)]] for index in range(count)]


def _bfloat16(value: float) -> float:
    """The nearest number with eight binary digits, which bfloat16 has."""
    fraction, exponent = frexp(value)
    return ldexp(round(fraction * 256), exponent - 8)


def _checkpoint(kinds: list[str]) -> Fields:
    names: dict[str, str | list[str] | Fields] = {
        "temporal_pre_norm": "input_layernorm",
        "channel_pre_norm": "post_attention_layernorm",
        "mlp_block": "mlp",
    }
    if "sliding_attention" in kinds:
        tensors = ("q_proj", "k_proj", "v_proj", "o_proj")
        names |= {f"temporal_block.{name}": f"self_attn.{name}" for name in tensors}
    if "linear_attention" in kinds:
        for name in ("linear_x", "linear_y", "linear_out", "conv_1d"):
            names[f"temporal_block.{name}"] = f"rg_lru.{name}"
        names["temporal_block.rg_lru.recurrent_param"] = "rg_lru.recurrent_param"
        for gate in ("input_gate", "recurrent_gate"):
            for tensor in ("weight", "bias"):
                theirs = f"temporal_block.rg_lru.{gate}_{tensor}"
                names[theirs] = f"rg_lru.{gate}.{tensor}"
    return {"prefix": "model.", "tensors": {**layered(names), "final_norm": "norm"}}


RECURRENT_GEMMA = Family(
    model_type="recurrent_gemma",
    describe=_describe,
    defaults={
        "vocab_size": 256_000,
        "hidden_size": 2560,
        "intermediate_size": 7680,
        "num_hidden_layers": 26,
        "num_attention_heads": 10,
        "attention_window_size": 2048,
        "conv1d_width": 4,
        "logits_soft_cap": 30.0,
        "rms_norm_eps": 1e-6,
        "hidden_activation": "gelu_pytorch_tanh",
        "block_types": ["recurrent", "recurrent", "attention"],
        "tie_word_embeddings": True,
    },
    aliases={"sliding_window": "attention_window_size"},
    ignored=frozenset(
        {
            "final_w_init_variance_scale",
            "layer_types",
            "layers_block_type",
            "w_init_variance_scale",
        }
    ),
)
