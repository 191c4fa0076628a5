"""EXAONE 4 (arXiv 2507.11407): norms on the branches' outputs, no positions where all is seen."""

from __future__ import annotations

from archspec.importers import layers
from archspec.importers.config import Config
from archspec.importers.family import Draft, Family, Fields
from archspec.importers.parts import attention, decoder, gated_feedforward, rmsnorm
from archspec.importers.rope import rope


def _describe(config: Config) -> Draft:
    windowed = config.value("sliding_window") is not None

    def rule(index: int) -> str:
        pattern = config.size("sliding_window_pattern") if windowed else 1
        return layers.SLIDING if (index + 1) % pattern else layers.FULL

    types = layers.kinds(config, rule)
    config.value("sliding_window_pattern")
    rotation = rope(config)

    def block(kind: str) -> Fields:
        rotates = kind == layers.SLIDING or not windowed
        mixer = attention(
            config,
            window=layers.window_of(config, kind),
            qk_norm=True,
            rope=rotation if rotates else None,
        )
        return {"norm_position": "output", "mixer": mixer, "feedforward": gated_feedforward(config)}

    order, blocks = layers.blocks(types, block, layers.LOCAL_GLOBAL)
    return decoder(config, order, blocks, norm=rmsnorm(config))


EXAONE4 = Family(
    model_type="exaone4",
    describe=_describe,
    defaults={
        "vocab_size": 102_400,
        "hidden_size": 4096,
        "intermediate_size": 16_384,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "num_key_value_heads": 32,
        "hidden_act": "silu",
        "max_position_embeddings": 2048,
        "rms_norm_eps": 1e-5,
        "sliding_window": 4096,
        "sliding_window_pattern": 4,
    },
    ignored=frozenset({"cache_implementation"}),
)
