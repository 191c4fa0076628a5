"""Gemma 4 (2026): keys that later layers share, vectors of a token for every layer, experts."""

from __future__ import annotations

from archspec.importers import layers
from archspec.importers.checkpoint import layered
from archspec.importers.config import Config
from archspec.importers.experts import experts
from archspec.importers.family import Draft, Family, Fields, Wrapper
from archspec.importers.parts import activation, attention, decoder, feedforward, rmsnorm
from archspec.importers.rope import ropes

_BASES = {
    layers.FULL: ("rope_theta", 1_000_000.0),
    layers.SLIDING: ("rope_local_base_freq", 10_000.0),
}
_ROPES: dict[str, Fields] = {
    layers.FULL: {"theta": 1_000_000.0, "fraction": 0.25, "proportional": True},
    layers.SLIDING: {"theta": 10_000.0},
}
_PATTERN = 6
_GLOBAL_HEAD_DIM = 512

Shape = tuple[int, int]
"""The width of a head, and how many key-value heads there are."""


def _describe(config: Config) -> Draft:
    types = layers.kinds(
        config, lambda index: layers.SLIDING if (index + 1) % _PATTERN else layers.FULL
    )
    # The configuration class makes the last layer a global one, whatever the file says.
    types[-1] = layers.FULL
    first_reader = len(types) - int(config.number("num_kv_shared_layers"))
    rotations = ropes(config, _BASES) if config.given("rope_parameters") else _ROPES
    wide = 2 if config.flag("use_double_wide_mlp") else 1
    config.only("use_bidirectional_attention", None, "vision")

    def block(name: str, shape: str) -> Fields:
        reads = name.endswith("_reader")
        kind = layers.SLIDING if name.startswith("local") else layers.FULL
        head_dim, kv_heads = map(int, shape.split("x"))
        out: Fields = {"norm_position": "sandwich"}
        if config.flag("enable_moe_block"):
            out["list_norms"] = "each"
        out["mixer"] = _mixer(config, kind, reads, (head_dim, kv_heads), rotations[kind])
        out["feedforward"] = _feedforward(config, wide if reads else 1)
        if config.number("hidden_size_per_layer_input"):
            out["per_layer_input"] = _own_vector(config)
        return {**out, "stream_scale": {"per": "layer", "trained": False}}

    kinds = [
        (
            layers.LOCAL_GLOBAL[kind] + ("_reader" if index >= first_reader else ""),
            f"{head_dim}x{kv_heads}",
        )
        for index, (kind, (head_dim, kv_heads)) in enumerate(
            zip(types, _shapes(config, types), strict=True)
        )
    ]
    order, blocks = layers.combined(kinds, block)
    cap = config.number("final_logit_softcapping", 0)
    draft = decoder(
        config,
        order,
        blocks,
        norm=rmsnorm(config),
        embedding=_embedding(config),
        head={"softcap": cap} if cap else None,
        checkpoint=_checkpoint(config, first_reader, len(types)),
    )
    if config.value("use_bidirectional_attention"):
        draft.notes.append("Tokens of one image see each other both ways; text looks back.")
    return draft


def _shapes(config: Config, types: list[str]) -> list[Shape]:
    """The heads of every layer: `per_layer_config`, or the keys that older files have for it."""
    usual = config.size("head_dim"), config.size("num_key_value_heads")
    wide, heads = config.size_or("global_head_dim", _GLOBAL_HEAD_DIM), usual[1]
    if config.value("num_global_key_value_heads") is not None and config.flag("attention_k_eq_v"):
        heads = config.size("num_global_key_value_heads")
    if not config.given("per_layer_config"):
        return [usual if kind == layers.SLIDING else (wide, heads) for kind in types]
    # The keys are indices as text, and some versions pad them with zeros.
    written = config.inner("per_layer_config", config.mapping("per_layer_config"))
    keys = {int(key): key for key in written.data if key.isdecimal() and len(key) < 9}
    out: list[Shape] = []
    for index in range(len(types)):
        key = keys.get(index, str(index))
        layer = written.inner(key, written.mapping(key))
        kv_heads = layer.size_or("num_key_value_heads", usual[1])
        out.append((layer.size_or("head_dim", usual[0]), kv_heads))
        layer.close()
    written.close()
    return out


def _mixer(config: Config, kind: str, reads: bool, shape: Shape, rope: Fields) -> Fields:
    bias, one = config.flag("attention_bias"), config.flag("attention_k_eq_v")
    head_dim, kv_heads = shape
    mixer = attention(
        config,
        kv_heads=kv_heads,
        window=layers.window_of(config, kind),
        qkv_bias=bias,
        output_bias=bias,
        qk_norm=True,
        v_norm=None if reads else {"weight": False},
        rope=rope,
        scale=1.0,
        keys_as_values=one and kind == layers.FULL and not reads,
        shared_kv=reads,
    )
    return {**mixer, "head_dim": head_dim}


def _feedforward(config: Config, times: int) -> Fields | list[Fields]:
    act = activation(config, "hidden_activation")
    dense = feedforward(intermediate_size=times * config.size("intermediate_size"), activation=act)
    sizes = ("num_experts", "top_k_experts", "moe_intermediate_size")
    if not config.flag("enable_moe_block"):
        # Written also where there are no experts.
        config.seen.update(sizes)
        return dense
    router: Fields = {"norm": True, "scale": config.size("hidden_size") ** -0.5}
    mixture = experts(
        config,
        count=sizes[0],
        top_k=sizes[1],
        width=sizes[2],
        act="hidden_activation",
        router={**router, "expert_scale": True},
        renormalize=True,
    )
    return [dense, {**mixture, "norm": True}]


def _own_vector(config: Config) -> Fields:
    width, act = config.size("hidden_size_per_layer_input"), activation(config, "hidden_activation")
    return {"type": "per_layer_input", "width": width, "activation": act, "norm": True}


def _embedding(config: Config) -> Fields:
    out: Fields = {"scale": "sqrt(hidden_size)"}
    rows = config.value("vocab_size_per_layer_input")
    if not config.number("hidden_size_per_layer_input"):
        return out
    vectors: Fields = {"width": config.size("hidden_size_per_layer_input")}
    if rows != config.size("vocab_size"):
        vectors["vocab_size"] = config.size("vocab_size_per_layer_input")
    vectors["scale"] = "sqrt(width)"
    vectors["projection"] = {"scale": config.size("hidden_size") ** -0.5, "norm": True}
    return {**out, "per_layer": {**vectors, "sum_scale": 2**-0.5}}


def _checkpoint(config: Config, first_reader: int, count: int) -> Fields:
    names: dict[str, str | list[str] | Fields] = {"layer_scalar": "layer_scale"}
    out: Fields = {}
    if config.number("hidden_size_per_layer_input"):
        out["per_layer_model_projection"] = "per_layer_projection"
        out["per_layer_projection_norm"] = "per_layer_norm"
        names["per_layer_input_gate"] = "per_layer.gate_proj"
        names["per_layer_projection"] = "per_layer.up_proj"
        names["post_per_layer_input_norm"] = "per_layer.norm"
    if config.flag("enable_moe_block"):
        names["pre_feedforward_layernorm_2"] = "mlp_2.norm"
        names["router.scale"] = "mlp_2.router_norm.weight"
        names["router.proj"] = "mlp_2.router"
        names["router.per_expert_scale"] = "mlp_2.expert_scale"
        names["experts"] = "mlp_2.experts"
    found: Fields = {"prefix": "model.", "tensors": {**out, **layered(names)}}
    # Files hold keys and values for layers that read those of others, and never use them.
    unused = [
        f"layers.{index}.self_attn.{name}"
        for index in range(first_reader, count)
        for name in ("k_proj", "v_proj", "k_norm")
    ]
    return {**found, "ignore": unused} if unused else found


TEXT = Family(
    model_type="gemma4_text",
    describe=_describe,
    defaults={
        "vocab_size": 262_144,
        "hidden_size": 2304,
        "intermediate_size": 9216,
        "num_hidden_layers": 30,
        "num_attention_heads": 8,
        "num_key_value_heads": 4,
        "head_dim": 256,
        "hidden_activation": "gelu_pytorch_tanh",
        "max_position_embeddings": 131_072,
        "rms_norm_eps": 1e-6,
        "tie_word_embeddings": True,
        "sliding_window": 512,
        "vocab_size_per_layer_input": 262_144,
        "hidden_size_per_layer_input": 256,
        "num_kv_shared_layers": 0,
    },
    reads=frozenset({"per_layer_config"}),
)

MULTIMODAL = Wrapper(
    model_type="gemma4",
    text=TEXT,
    left_out={
        "vision_config": "the vision tower and its projector",
        "audio_config": "the audio tower and its projector",
    },
    checkpoint={
        "prefix": "model.language_model.",
        "ignore": [
            "model.vision_tower",
            "model.embed_vision",
            "model.audio_tower",
            "model.embed_audio",
        ],
    },
    tied=True,
    ignored=frozenset(
        {
            "audio_token_id",
            "boa_token_id",
            "boi_token_id",
            "eoa_token_id",
            "eoa_token_index",
            "eoi_token_id",
            "image_token_id",
            "initializer_range",
            "video_token_id",
            "vision_soft_tokens_per_image",
        }
    ),
)
