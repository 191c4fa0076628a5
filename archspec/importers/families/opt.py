"""OPT (arXiv 2205.01068): learned positions from row two on, in one size the norms after."""

from __future__ import annotations

from archspec.importers.checkpoint import layered
from archspec.importers.config import Config
from archspec.importers.family import Draft, Family, Fields
from archspec.importers.parts import activation, attention, feedforward, uniform

_EPS = 1e-5
_OFFSET = 2
"""Neither is an option: the family's code has them."""


def _describe(config: Config) -> Draft:
    bias = config.flag("enable_bias")
    before = config.flag("do_layer_norm_before")
    block: Fields = {
        "mixer": attention(config, qkv_bias=bias, output_bias=bias),
        "feedforward": feedforward(
            intermediate_size=config.size("ffn_dim"),
            activation=activation(config, "activation_function"),
            gated=False,
            bias=bias,
        ),
    }
    if not before:
        block = {"norm_position": "post", **block}
    norm: Fields = {"type": "layernorm", "eps": _EPS}
    if not config.flag("layer_norm_elementwise_affine"):
        norm["weight"] = False
    length = config.size("max_position_embeddings")
    embedding: Fields = {"positions": {"type": "learned", "length": length, "offset": _OFFSET}}
    hidden = config.size("hidden_size")
    if (width := config.size_or("word_embed_proj_dim", hidden)) != hidden:
        embedding = {"width": width, **embedding}
    removed = config.flag("_remove_final_layer_norm")
    return uniform(
        config,
        block,
        norm=norm,
        embedding=embedding,
        final_norm=before and not removed,
        checkpoint=_checkpoint(before, before and not removed, width != hidden),
    )


def _checkpoint(before: bool, final_norm: bool, narrow: bool) -> Fields:
    first, second = "post_attention_layernorm", "post_feedforward_layernorm"
    names = {
        "self_attn_layer_norm": "input_layernorm" if before else first,
        "self_attn.out_proj": "self_attn.o_proj",
        "fc1": "mlp.up_proj",
        "fc2": "mlp.down_proj",
        "final_layer_norm": first if before else second,
    }
    ends = {"project_in": "embed_in", "project_out": "embed_out"} if narrow else {}
    ends |= {"final_layer_norm": "norm"} if final_norm else {}
    return {"prefix": "model.decoder.", "tensors": {**layered(names), **ends}}


OPT = Family(
    model_type="opt",
    describe=_describe,
    defaults={
        "vocab_size": 50_272,
        "hidden_size": 768,
        "num_hidden_layers": 12,
        "ffn_dim": 3072,
        "max_position_embeddings": 2048,
        "do_layer_norm_before": True,
        "num_attention_heads": 12,
        "activation_function": "relu",
        "enable_bias": True,
        "layer_norm_elementwise_affine": True,
        "tie_word_embeddings": True,
    },
    aliases={"init_std": "initializer_range"},
    ignored=frozenset({"activation_dropout", "layerdrop"}),
)
