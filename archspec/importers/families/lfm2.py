"""LFM2 (arXiv 2511.23404): gated short convolutions, every few layers attention."""

from __future__ import annotations

from archspec.importers import layers
from archspec.importers.checkpoint import layered
from archspec.importers.config import Config
from archspec.importers.experts import TRAINING, experts, one_by_one
from archspec.importers.family import Draft, Family, Fields
from archspec.importers.parts import attention, decoder, feedforward
from archspec.importers.rope import rope

_CONV = "conv"
_NAMES = {layers.FULL: "attention", _CONV: "conv"}


def _dense(config: Config) -> Draft:
    def block(kind: str) -> Fields:
        inner = feedforward(intermediate_size=_width(config), activation="silu")
        return {"mixer": _mixer(config, kind), "feedforward": inner}

    order, blocks = layers.blocks(_kinds(config), block, _NAMES)
    return _draft(config, order, blocks, {})


def _sparse(config: Config) -> Draft:
    first = config.number("num_dense_layers")
    corrected, renormalize = config.flag("use_expert_bias"), config.flag("norm_topk_prob")

    def block(kind: str, inner: str) -> Fields:
        dense = feedforward(intermediate_size=config.size("intermediate_size"), activation="silu")
        mixture = experts(
            config,
            fixed="silu",
            router={
                "score": "sigmoid",
                **({"correction_bias": True, "float32": False} if corrected else {}),
            },
            renormalize=renormalize,
            renormalize_epsilon=1e-6 if renormalize else None,
            scale=config.number("routed_scaling_factor"),
        )
        chosen = dense if inner == "dense" else mixture
        return {"mixer": _mixer(config, kind), "feedforward": chosen}

    kinds = [
        (kind, "dense" if index < first else "sparse") for index, kind in enumerate(_stated(config))
    ]
    order, blocks = layers.combined(kinds, block, _NAMES)
    names: Fields = {
        **one_by_one("feed_forward.experts", "w1", "w3", "w2"),
        "feed_forward.expert_bias": "mlp.router_correction",
        "feed_forward.gate": "mlp.router",
        "feed_forward.experts": "mlp.experts",
    }
    return _draft(config, order, blocks, names)


_KINDS = (layers.FULL, _CONV)


def _kinds(config: Config) -> list[str]:
    """The kind of every layer: `layer_types`, or which ones have attention: all unless said."""
    every = config.value("full_attn_idxs") is None
    full = [] if every else config.integers("full_attn_idxs")
    return layers.kinds(
        config, lambda index: layers.FULL if every or index in full else _CONV, _KINDS
    )


def _stated(config: Config) -> list[str]:
    """The kind of every layer, for configurations that have no rule for them."""

    def unknown(index: int) -> str:
        config.refuse("layer_types", "and there is no rule for what they are then")

    return layers.kinds(config, unknown, _KINDS)


def _width(config: Config) -> int:
    """The feed-forward's width: two thirds of what is stated, stretched and rounded up."""
    width, multiple = config.size("intermediate_size"), config.size("block_multiple_of")
    factor = config.number("block_ffn_dim_multiplier")
    if not config.flag("block_auto_adjust_ff_dim"):
        return width
    return multiple * -(-int(factor * int(2 * width / 3)) // multiple)


def _mixer(config: Config, kind: str) -> Fields:
    normed = attention(config, qk_norm=True, rope=rope(config, 1e6))
    conv: Fields = {
        "type": "short_conv",
        "channels": config.size("hidden_size"),
        "conv": config.size("conv_L_cache"),
    }
    if config.flag("conv_bias"):
        conv["bias"] = True
    return conv if kind == _CONV else normed


def _draft(config: Config, order: list[str], blocks: dict[str, Fields], names: Fields) -> Draft:
    tensors = layered(
        {
            "operator_norm": "input_layernorm",
            "ffn_norm": "post_attention_layernorm",
            "self_attn.q_layernorm": "self_attn.q_norm",
            "self_attn.k_layernorm": "self_attn.k_norm",
            "self_attn.out_proj": "self_attn.o_proj",
            **names,
            "feed_forward.w1": "mlp.gate_proj",
            "feed_forward.w3": "mlp.up_proj",
            "feed_forward.w2": "mlp.down_proj",
        }
    )
    checkpoint: Fields = {
        "prefix": "model.",
        "tensors": {"embedding_norm": "norm", **tensors},
    }
    norm: Fields = {"type": "rmsnorm", "eps": config.number("norm_eps")}
    return decoder(config, order, blocks, norm=norm, checkpoint=checkpoint)


_COMMON = {
    "vocab_size": 65_536,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "max_position_embeddings": 128_000,
    "norm_eps": 1e-5,
    "tie_word_embeddings": True,
    "num_hidden_layers": 32,
    "conv_bias": False,
    "conv_L_cache": 3,
}

_UNUSED = frozenset(
    {
        "block_dim",
        "block_mlp_init_scale",
        "block_norm_eps",
        "block_out_init_scale",
        "block_use_xavier_init",
        "conv_dim",
        "conv_dim_out",
        "conv_use_xavier_init",
        "num_heads",
    }
)
"""Published, and read by nothing in transformers."""

_ONLY = {"block_use_swiglu": True, "hidden_act": "silu", "use_pos_enc": True}

LFM2 = Family(
    model_type="lfm2",
    describe=_dense,
    defaults={
        **_COMMON,
        "hidden_size": 2560,
        "intermediate_size": 12_288,
        "block_multiple_of": 256,
        "block_ffn_dim_multiplier": 1.0,
        "block_auto_adjust_ff_dim": True,
    },
    aliases={"block_ff_dim": "intermediate_size", "tie_embedding": "tie_word_embeddings"},
    ignored=_UNUSED,
    only=_ONLY,
)

LFM2_MOE = Family(
    model_type="lfm2_moe",
    describe=_sparse,
    defaults={
        **_COMMON,
        "hidden_size": 2048,
        "intermediate_size": 7168,
        "moe_intermediate_size": 1792,
        "num_dense_layers": 2,
        "num_experts_per_tok": 4,
        "num_experts": 32,
        "use_expert_bias": True,
        "routed_scaling_factor": 1.0,
        "norm_topk_prob": True,
    },
    aliases={"tie_embedding": "tie_word_embeddings"},
    ignored=TRAINING | _UNUSED,
    only=_ONLY,
)
