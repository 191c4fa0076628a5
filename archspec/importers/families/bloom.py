"""BLOOM (arXiv 2211.05100): ALiBi, a norm on the embedding, biases everywhere."""

from __future__ import annotations

from archspec.importers.checkpoint import QKV, layered
from archspec.importers.config import Config
from archspec.importers.family import Draft, Family, Fields
from archspec.importers.parts import attention, feedforward, layernorm, uniform

_CONTEXT = 2048
"""What it was trained on, where the file does not say: ALiBi has no table that would end."""


def _describe(config: Config) -> Draft:
    inner = feedforward(
        intermediate_size=4 * config.size("hidden_size"),
        activation="gelu_tanh",
        gated=False,
        bias=True,
    )
    block = {
        "mixer": attention(config, qkv_bias=True, output_bias=True, alibi={}),
        "feedforward": inner,
    }
    return uniform(
        config,
        block,
        norm=layernorm(config, "layer_norm_epsilon"),
        embedding={"norm": True},
        context_length=config.size_or("seq_length", _CONTEXT),
        checkpoint=_checkpoint(config.size("num_attention_heads")),
    )


def _checkpoint(heads: int) -> Fields:
    names = {
        "self_attention.query_key_value": {"to": QKV, "groups": heads},
        "self_attention.dense": "self_attn.o_proj",
        "mlp.dense_h_to_4h": "mlp.up_proj",
        "mlp.dense_4h_to_h": "mlp.down_proj",
        **{name: name for name in ("input_layernorm", "post_attention_layernorm")},
    }
    ends = {
        "word_embeddings": "embed_tokens",
        "word_embeddings_layernorm": "embed_norm",
        "ln_f": "norm",
    }
    return {"prefix": "transformer.", "tensors": {**layered(names, "h.{layer}."), **ends}}


BLOOM = Family(
    model_type="bloom",
    describe=_describe,
    defaults={
        "vocab_size": 250_880,
        "hidden_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 8,
        "layer_norm_epsilon": 1e-5,
        "tie_word_embeddings": True,
    },
    aliases={
        "n_embed": "hidden_size",
        "n_head": "num_attention_heads",
        "n_layer": "num_hidden_layers",
    },
    # How the sums were grouped and rounded in training.
    ignored=frozenset(
        {
            "attention_softmax_in_fp32",
            "bias_dropout_fusion",
            "masked_softmax_fusion",
            "offset_alibi",
            "pretraining_tp",
            "skip_bias_add",
            "skip_bias_add_qkv",
            "slow_but_exact",
            "unk_token_id",
        }
    ),
    only={"apply_residual_connection_post_layernorm": False},
)
