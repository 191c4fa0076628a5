"""Qwen2 and Qwen2.5 (arXiv 2407.10671, 2412.15115): Llama's layer with biases on q, k and v."""

from __future__ import annotations

from archspec.importers import layers
from archspec.importers.config import Config
from archspec.importers.family import Draft, Family, Fields
from archspec.importers.parts import attention, decoder, gated_feedforward, rmsnorm
from archspec.importers.rope import rope


def kinds(config: Config) -> list[str]:
    """The kind of every layer: with a window from `max_window_layers` on, if there is one."""
    windowed = config.flag("use_sliding_window") and config.value("sliding_window") is not None
    first = config.number("max_window_layers")
    types = layers.kinds(
        config, lambda index: layers.SLIDING if windowed and index >= first else layers.FULL
    )
    if layers.SLIDING in types and not windowed:
        config.fail("`layer_types` has sliding_attention, but there is no window in use")
    return types


def _describe(config: Config) -> Draft:
    def block(kind: str) -> Fields:
        window = layers.window_of(config, kind)
        return {
            "mixer": attention(config, window=window, qkv_bias=True, rope=rope(config)),
            "feedforward": gated_feedforward(config),
        }

    order, blocks = layers.blocks(kinds(config), block)
    return decoder(config, order, blocks, norm=rmsnorm(config))


DEFAULTS = {
    "vocab_size": 151_936,
    "hidden_size": 4096,
    "intermediate_size": 22_016,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 32,
    "hidden_act": "silu",
    "max_position_embeddings": 32_768,
    "rms_norm_eps": 1e-6,
    "sliding_window": 4096,
    "max_window_layers": 28,
}

QWEN2 = Family(
    model_type="qwen2",
    describe=_describe,
    defaults=DEFAULTS,
    # Positions of several axes, for images; the text models carry the option switched off.
    only={"use_mrope": False},
)
