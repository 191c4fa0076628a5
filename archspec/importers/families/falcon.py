"""Falcon (arXiv 2311.16867): parallel branches, one key-value head or several, or ALiBi."""

from __future__ import annotations

from archspec.importers.checkpoint import QKV, layered
from archspec.importers.config import Config
from archspec.importers.family import Draft, Family, Fields
from archspec.importers.parts import activation, attention, feedforward, layernorm, uniform
from archspec.importers.rope import rope


def _describe(config: Config) -> Draft:
    bias, hidden = config.flag("bias"), config.size("hidden_size")
    # Distance before the scores are scaled, so that it is scaled as well.
    rotation = rope(config)
    positions: Fields = {"alibi": {"scaled": True}} if config.flag("alibi") else {"rope": rotation}
    mixer = attention(
        config, kv_heads=_kv_heads(config), qkv_bias=bias, output_bias=bias, **positions
    )
    inner = feedforward(
        intermediate_size=config.size_or("ffn_hidden_size", 4 * hidden),
        activation=activation(config, "activation"),
        gated=False,
        bias=bias,
    )
    norms = _norms(config)
    return uniform(
        config,
        {**norms, "mixer": mixer, "feedforward": inner},
        norm=layernorm(config, "layer_norm_epsilon"),
        checkpoint=_checkpoint(_kv_heads(config), norms),
    )


def _kv_heads(config: Config) -> int:
    heads = config.size("num_attention_heads")
    given = config.size_or("num_key_value_heads", heads)
    one = config.flag("multi_query")
    if config.flag("new_decoder_architecture"):
        return given
    if one:
        return 1
    if given != heads:
        config.refuse("num_key_value_heads", "a model of its kind has one for each head")
    return heads


def _norms(config: Config) -> Fields:
    """Parallel branches with one norm or two, or one branch after the other."""
    newer, parallel = config.flag("new_decoder_architecture"), config.flag("parallel_attn")
    norms = config.size_or("num_ln_in_parallel_attn", 2 if newer else 1)
    if norms > 2 or (norms == 2 and not newer):
        config.refuse("num_ln_in_parallel_attn")
    if not parallel:
        if newer:
            config.refuse("parallel_attn", "a model of its kind has parallel branches")
        return {}
    return {"parallel": True} | ({} if norms == 2 else {"shared_norm": True})


def _checkpoint(heads: int, norms: Fields) -> Fields:
    first, second = "input_layernorm", "post_attention_layernorm"
    names: dict[str, str | list[str] | Fields] = {
        "self_attention.query_key_value": {"to": QKV, "groups": heads} if heads > 1 else QKV,
        "self_attention.dense": "self_attn.o_proj",
        "mlp.dense_h_to_4h": "mlp.up_proj",
        "mlp.dense_4h_to_h": "mlp.down_proj",
    }
    if norms == {"parallel": True}:
        names |= {"ln_attn": first, "ln_mlp": second}
    else:
        names |= {first: first} if norms else {first: first, second: second}
    ends = {"word_embeddings": "embed_tokens", "ln_f": "norm"}
    return {"prefix": "transformer.", "tensors": {**layered(names, "h.{layer}."), **ends}}


FALCON = Family(
    model_type="falcon",
    describe=_describe,
    defaults={
        "vocab_size": 65_024,
        "hidden_size": 4544,
        "num_hidden_layers": 32,
        "num_attention_heads": 71,
        "layer_norm_epsilon": 1e-5,
        "multi_query": True,
        "parallel_attn": True,
        "max_position_embeddings": 2048,
        "activation": "gelu",
        "tie_word_embeddings": True,
    },
    aliases={"n_embed": "hidden_size", "num_kv_heads": "num_key_value_heads"},
    only={"apply_residual_connection_post_layernorm": False},
)
