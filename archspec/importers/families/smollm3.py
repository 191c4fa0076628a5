"""SmolLM3: Llama's layer, every fourth one without positions."""

from __future__ import annotations

from archspec.importers import layers
from archspec.importers.config import Config
from archspec.importers.family import Draft, Family, Fields
from archspec.importers.parts import attention, decoder, gated_feedforward, rmsnorm
from archspec.importers.rope import rope


def _describe(config: Config) -> Draft:
    interval = config.size("no_rope_layer_interval")
    # The list has a one for each layer with rotary positions, whatever its name.
    rotates = layers.flags(config, "no_rope_layers", lambda index: bool((index + 1) % interval))
    windowed = config.flag("use_sliding_window") and config.value("sliding_window") is not None
    types = layers.kinds(
        config,
        lambda index: layers.SLIDING if windowed and not rotates[index] else layers.FULL,
    )
    config.value("sliding_window")
    bias = config.flag("attention_bias")

    def block(kind: str, positions: str) -> Fields:
        mixer = attention(
            config,
            window=layers.window_of(config, kind) if windowed else None,
            qkv_bias=bias,
            output_bias=bias,
            rope=rope(config, 2e6) if positions == "rotary" else None,
        )
        inner = gated_feedforward(config, bias=config.flag("mlp_bias"))
        return {"mixer": mixer, "feedforward": inner}

    words = ["rotary" if one else "plain" for one in rotates]
    order, blocks = layers.combined(list(zip(types, words, strict=True)), block)
    return decoder(config, order, blocks, norm=rmsnorm(config))


SMOLLM3 = Family(
    model_type="smollm3",
    describe=_describe,
    defaults={
        "vocab_size": 128_256,
        "hidden_size": 2048,
        "intermediate_size": 11_008,
        "num_hidden_layers": 36,
        "num_attention_heads": 16,
        "num_key_value_heads": 4,
        "hidden_act": "silu",
        "max_position_embeddings": 32_768,
        "rms_norm_eps": 1e-6,
        "no_rope_layer_interval": 4,
        "tie_word_embeddings": True,
    },
    ignored=frozenset({"max_window_layers", "pretraining_tp"}),
)
