"""Gemma 3 (arXiv 2503.19786): local and global layers, each branch between two norms."""

from __future__ import annotations

from archspec.importers import layers
from archspec.importers.config import Config
from archspec.importers.family import Draft, Family, Fields, Wrapper
from archspec.importers.parts import activation, attention, decoder, feedforward, rmsnorm
from archspec.importers.rope import ropes

_BASES = {
    layers.FULL: ("rope_theta", 1_000_000.0),
    layers.SLIDING: ("rope_local_base_freq", 10_000.0),
}


def _describe(config: Config) -> Draft:
    bias = config.flag("attention_bias")
    scale = config.positive("query_pre_attn_scalar") ** -0.5
    rotations = ropes(config, _BASES)
    pattern = config.size_or("sliding_window_pattern", 6)
    types = layers.kinds(
        config, lambda index: layers.SLIDING if (index + 1) % pattern else layers.FULL
    )

    def block(kind: str) -> Fields:
        mixer = attention(
            config,
            window=layers.window_of(config, kind),
            qkv_bias=bias,
            output_bias=bias,
            qk_norm=True,
            rope=rotations[kind],
            scale=scale,
        )
        inner = feedforward(
            intermediate_size=config.size("intermediate_size"),
            activation=activation(config, "hidden_activation"),
        )
        return {"norm_position": "sandwich", "mixer": mixer, "feedforward": inner}

    order, blocks = layers.blocks(types, block, layers.LOCAL_GLOBAL)
    return decoder(
        config,
        order,
        blocks,
        norm=rmsnorm(config, zero_centered=True),
        embedding={"scale": "sqrt(hidden_size)"},
        # What its linear scaling was trained to, 131,072 = 8 × 16,384 (arXiv 2503.19786, 2.1).
        context_length=config.size("max_position_embeddings"),
    )


TEXT = Family(
    model_type="gemma3_text",
    describe=_describe,
    defaults={
        "vocab_size": 262_208,
        "hidden_size": 2304,
        "intermediate_size": 9216,
        "num_hidden_layers": 26,
        "num_attention_heads": 8,
        "num_key_value_heads": 4,
        "head_dim": 256,
        "hidden_activation": "gelu_pytorch_tanh",
        "max_position_embeddings": 131_072,
        "rms_norm_eps": 1e-6,
        "tie_word_embeddings": True,
        "query_pre_attn_scalar": 256,
        "sliding_window": 4096,
    },
    # Written back beside `layer_types`, which it was expanded to.
    ignored=frozenset({"_sliding_window_pattern"}),
    only={
        "attn_logit_softcapping": None,
        "final_logit_softcapping": None,
        "use_bidirectional_attention": False,
    },
)


MULTIMODAL = Wrapper(
    model_type="gemma3",
    text=TEXT,
    left_out={"vision_config": "the vision tower and its projector"},
    checkpoint={
        "prefix": "language_model.model.",
        "tensors": {"language_model.lm_head": "lm_head"},
        "ignore": ["multi_modal_projector", "vision_tower"],
    },
    tied=True,
    ignored=frozenset(
        {
            "boi_token_index",
            "boi_token_id",
            "eoi_token_index",
            "eoi_token_id",
            "image_token_index",
            "image_token_id",
            "initializer_range",
            "mm_tokens_per_image",
        }
    ),
)
