"""Llama 4: chunks, every fourth layer without positions, experts weighed at their input."""

from __future__ import annotations

from archspec.importers import layers
from archspec.importers.checkpoint import layered
from archspec.importers.config import Config
from archspec.importers.experts import TRAINING, experts
from archspec.importers.family import Draft, Family, Fields, Wrapper
from archspec.importers.parts import activation, attention, decoder, feedforward, rmsnorm
from archspec.importers.rope import rope

_CHUNKED = "chunked_attention"


def _describe(config: Config) -> Draft:
    interval = config.size("no_rope_layer_interval")
    rotates = layers.flags(config, "no_rope_layers", lambda index: bool((index + 1) % interval))
    types = layers.kinds(
        config,
        lambda index: _CHUNKED if rotates[index] else layers.FULL,
        (_CHUNKED, layers.FULL),
    )
    kinds = [
        (_CHUNK[kind], "rotary" if rotary else "plain", inner)
        for kind, rotary, inner in zip(types, rotates, _inner(config), strict=True)
    ]

    def block(kind: str, positions: str, inner: str) -> Fields:
        dense = feedforward(
            intermediate_size=config.size("intermediate_size_mlp"), activation=activation(config)
        )
        mixture = _experts(config)
        return {
            "mixer": _mixer(config, kind == "chunked", positions == "rotary"),
            "feedforward": dense if inner == "dense" else mixture,
        }

    order, blocks = layers.combined(kinds, block)
    return decoder(config, order, blocks, norm=rmsnorm(config), checkpoint=_checkpoint("model."))


_CHUNK = {_CHUNKED: "chunked", layers.FULL: "full"}


def _mixer(config: Config, chunked: bool, rotary: bool) -> Fields:
    bias, tuned = config.flag("attention_bias"), config.flag("attn_temperature_tuning")
    temperature: Fields = {
        "type": "log_floor",
        "floor": config.size("floor_scale"),
        "scale": config.number("attn_scale"),
    }
    normed, chunk = config.flag("use_qk_norm"), config.size("attention_chunk_size")
    return attention(
        config,
        chunk=chunk if chunked else None,
        qkv_bias=bias,
        output_bias=bias,
        qk_norm={"weight": False, "after_rope": True} if rotary and normed else False,
        rope=rope(config, 500_000.0, pairing="interleaved") if rotary else None,
        temperature=temperature if tuned and not rotary else None,
    )


def _inner(config: Config) -> list[str]:
    step, count = config.size("interleave_moe_layer_step"), layers.count(config)
    sparse = list(range(step - 1, count, step))
    if config.value("moe_layers") is not None:
        sparse = config.integers("moe_layers")
    return ["sparse" if index in sparse else "dense" for index in range(count)]


def _experts(config: Config) -> Fields:
    return experts(
        config,
        count="num_local_experts",
        width="intermediate_size",
        router={"score": "sigmoid"},
        router_weight_on="input",
        shared={"intermediate_size": config.size("intermediate_size")},
    )


def _checkpoint(prefix: str) -> Fields:
    theirs = "feed_forward.experts."
    names = {
        f"{theirs}gate_up_proj": {"to": "mlp.experts.gate_up_proj", "transpose": True},
        f"{theirs}down_proj": {"to": "mlp.experts.down_proj", "transpose": True},
        "feed_forward.shared_expert": "mlp.shared",
        "feed_forward": "mlp",
    }
    return {"prefix": prefix, "tensors": layered(names)}


TEXT = Family(
    model_type="llama4_text",
    describe=_describe,
    defaults={
        "vocab_size": 202_048,
        "hidden_size": 5120,
        "intermediate_size": 8192,
        "intermediate_size_mlp": 16_384,
        "num_hidden_layers": 48,
        "num_attention_heads": 40,
        "num_key_value_heads": 8,
        "head_dim": 128,
        "hidden_act": "silu",
        "max_position_embeddings": 131_072,
        "rms_norm_eps": 1e-5,
        "num_experts_per_tok": 1,
        "num_local_experts": 16,
        "interleave_moe_layer_step": 1,
        "use_qk_norm": True,
        "no_rope_layer_interval": 4,
        "attention_chunk_size": 8192,
        "attn_temperature_tuning": True,
        "floor_scale": 8192,
        "attn_scale": 0.1,
    },
    ignored=TRAINING,
    only={"for_llm_compressor": False},
)

MULTIMODAL = Wrapper(
    model_type="llama4",
    text=TEXT,
    left_out={"vision_config": "the vision tower and its projector"},
    checkpoint={
        **_checkpoint("language_model.model."),
        "ignore": ["multi_modal_projector", "vision_model"],
    },
    tied=False,
    ignored=frozenset({"boi_token_index", "eoi_token_index", "image_token_index"}),
)
