"""Gemma 2 (arXiv 2408.00118): windows in every second layer, soft caps, four norms in a layer."""

from __future__ import annotations

from archspec.importers import layers
from archspec.importers.config import Config
from archspec.importers.family import Draft, Family, Fields
from archspec.importers.parts import activation, attention, decoder, feedforward, rmsnorm
from archspec.importers.rope import rope


def _describe(config: Config) -> Draft:
    bias = config.flag("attention_bias")
    types = layers.kinds(config, lambda index: layers.FULL if index % 2 else layers.SLIDING)

    def block(kind: str) -> Fields:
        mixer = attention(
            config,
            window=layers.window_of(config, kind),
            qkv_bias=bias,
            output_bias=bias,
            rope=rope(config),
            scale=config.positive("query_pre_attn_scalar") ** -0.5,
            softcap=cap(config, "attn_logit_softcapping"),
        )
        inner = feedforward(
            intermediate_size=config.size("intermediate_size"),
            activation=activation(config, "hidden_activation"),
        )
        return {"norm_position": "sandwich", "mixer": mixer, "feedforward": inner}

    order, blocks = layers.blocks(types, block, layers.LOCAL_GLOBAL)
    final = cap(config, "final_logit_softcapping")
    return decoder(
        config,
        order,
        blocks,
        norm=rmsnorm(config, zero_centered=True),
        embedding={"scale": "sqrt(hidden_size)"},
        head={"softcap": final} if final else None,
    )


def cap(config: Config, key: str) -> float | None:
    """The soft cap under `key`, or nothing."""
    return None if config.value(key) is None else config.number(key)


GEMMA2 = Family(
    model_type="gemma2",
    describe=_describe,
    defaults={
        "vocab_size": 256_000,
        "hidden_size": 2304,
        "intermediate_size": 9216,
        "num_hidden_layers": 26,
        "num_attention_heads": 8,
        "num_key_value_heads": 4,
        "head_dim": 256,
        "hidden_activation": "gelu_pytorch_tanh",
        "max_position_embeddings": 8192,
        "rms_norm_eps": 1e-6,
        "tie_word_embeddings": True,
        "query_pre_attn_scalar": 256,
        "sliding_window": 4096,
        "final_logit_softcapping": 30.0,
        "attn_logit_softcapping": 50.0,
    },
    # The cache is what `cache_implementation` speaks of, and `hidden_act` repeats the activation.
    ignored=frozenset({"cache_implementation", "hidden_act"}),
    only={"use_bidirectional_attention": False},
)
