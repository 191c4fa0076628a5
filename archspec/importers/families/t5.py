"""T5 (arXiv 1910.10683) and its version 1.1: relative positions, no biases, unscaled scores."""

from __future__ import annotations

from archspec.importers import layers
from archspec.importers.config import Config
from archspec.importers.family import Draft, Family, Fields
from archspec.importers.parts import (
    ACTIVATIONS,
    activation,
    attention,
    decoder,
    feedforward,
    head_width,
    published_class,
)

_CONTEXT = 512
"""What it was trained on, where the file does not say: relative positions do not end."""

_CLASSES = ("", "T5ForConditionalGeneration", "T5WithLMHeadModel", "T5Model")


def _describe(config: Config) -> Draft:
    if published_class(config) not in _CLASSES:
        config.refuse("architectures", "archspec imports the whole encoder-decoder")
    inner = _feedforward(config)
    relative: Fields = {
        "buckets": config.size("relative_attention_num_buckets"),
        "max_distance": config.size("relative_attention_max_distance"),
    }
    across: Fields = {"type": "attention", "source": "encoder"}
    across |= {"heads": config.size("num_attention_heads"), "head_dim": head_width(config)}
    blocks: dict[str, Fields] = {
        "reader": {
            "mixer": attention(config, causal=False, scale=1, relative_bias=relative),
            "feedforward": inner,
        },
        "writer": {
            "mixer": attention(config, scale=1, relative_bias=relative),
            "cross_attention": {**across, "scale": 1},
            "feedforward": inner,
        },
    }
    readers = layers.count(config)
    more = config.value("num_decoder_layers") is not None
    writers = layers.count(config, "num_decoder_layers") if more else readers
    # The first version scales what its tied head reads; 1.1 has a head of its own and does not,
    # though transformers 5 writes it as tied.
    tied = _flag(config, "tie_word_embeddings", True)
    scaled = _flag(config, "scale_decoder_outputs", tied)
    scale: Fields = {"scale": config.size("hidden_size") ** -0.5} if scaled else {}
    return decoder(
        config,
        ["writer"] * writers,
        blocks,
        norm={"type": "rmsnorm", "eps": config.number("layer_norm_epsilon")},
        encoder={"layers": ["reader"] * readers},
        head={"tied": tied and scaled, **scale},
        context_length=config.size_or("n_positions", _CONTEXT),
        checkpoint=_checkpoint(inner["gated"]),
    )


def _flag(config: Config, key: str, default: bool) -> bool:
    return default if config.value(key) is None else config.flag(key)


def _feedforward(config: Config) -> Fields:
    """By its name, `relu` or `gated-gelu`, unless the file has its two parts as well."""
    written = config.word("feed_forward_proj")
    kind, _, name = written.rpartition("-")
    name = "gelu_new" if written == "gated-gelu" else name
    if kind not in ("", "gated") or name not in ACTIVATIONS:
        config.refuse("feed_forward_proj", "archspec does not express that feed-forward")
    own = config.given("dense_act_fn")
    return feedforward(
        intermediate_size=config.size("d_ff"),
        activation=activation(config, "dense_act_fn") if own else ACTIVATIONS[name],
        gated=_flag(config, "is_gated_act", kind == "gated"),
    )


def _checkpoint(gated: bool) -> Fields:
    inner = {"wi_0": "gate_proj", "wi_1": "up_proj"} if gated else {"wi": "up_proj"}
    inner |= {"wo": "down_proj"}
    shared = "layer.0.SelfAttention.relative_attention_bias"
    names: Fields = {"shared": "embed_tokens"}
    for stack, ours, last in (("encoder", "encoder.", 1), ("decoder", "", 2)):
        theirs, to = f"{stack}.block.{{layer}}.layer.", f"{ours}layers.{{layer}}."
        names |= {f"{stack}.block.0.{shared}": f"{ours}relative_bias"}
        names |= {f"{theirs}0.SelfAttention.{p}": f"{to}self_attn.{p}_proj" for p in "qkvo"}
        names |= {f"{theirs}0.layer_norm": f"{to}input_layernorm"}
        if last == 2:
            names |= {f"{theirs}1.EncDecAttention.{p}": f"{to}cross_attn.{p}_proj" for p in "qkvo"}
            names |= {f"{theirs}1.layer_norm": f"{to}cross_attention_layernorm"}
        dense = f"{theirs}{last}.DenseReluDense."
        names |= {f"{dense}{old}": f"{to}mlp.{new}" for old, new in inner.items()}
        names |= {f"{theirs}{last}.layer_norm": f"{to}post_attention_layernorm"}
        names |= {f"{stack}.final_layer_norm": f"{ours}norm"}
    # The shared vectors again, and a table that the first files have and no class reads.
    again = dict.fromkeys(("encoder.embed_tokens", "decoder.embed_tokens"), "embed_tokens")
    unread = "decoder.block.0.layer.1.EncDecAttention.relative_attention_bias"
    return {"tensors": names, "copies": again, "ignore": [unread]}


T5 = Family(
    model_type="t5",
    describe=_describe,
    defaults={
        "vocab_size": 32_128,
        "hidden_size": 512,
        "head_dim": 64,
        "d_ff": 2048,
        "num_hidden_layers": 6,
        "num_attention_heads": 8,
        "relative_attention_num_buckets": 32,
        "relative_attention_max_distance": 128,
        "layer_norm_epsilon": 1e-6,
        "feed_forward_proj": "relu",
    },
    aliases={
        "d_kv": "head_dim",
        "d_model": "hidden_size",
        "num_heads": "num_attention_heads",
        "num_layers": "num_hidden_layers",
    },
    # How it was drawn at first, and dropout.
    ignored=frozenset({"dropout_rate", "initializer_factor"}),
    only={"is_encoder_decoder": True},
)
