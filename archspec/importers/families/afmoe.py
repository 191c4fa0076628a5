"""Trinity (AfMoE): gated attention between two norms, no positions where all is seen."""

from __future__ import annotations

from archspec.importers import layers
from archspec.importers.checkpoint import layered
from archspec.importers.config import Config
from archspec.importers.experts import TRAINING, experts, one_by_one
from archspec.importers.family import Draft, Family, Fields
from archspec.importers.parts import attention, decoder, gated_feedforward, rmsnorm
from archspec.importers.rope import rope


def _describe(config: Config) -> Draft:
    pattern, bias = config.size("global_attn_every_n_layers"), config.flag("attention_bias")
    types = layers.kinds(
        config, lambda index: layers.SLIDING if (index + 1) % pattern else layers.FULL
    )
    rotation = rope(config)

    def block(kind: str, inner: str) -> Fields:
        window = layers.window_of(config, kind)
        mixer = attention(
            config,
            window=window,
            qkv_bias=bias,
            output_bias=bias,
            qk_norm=True,
            rope=rotation if window else None,
            gate={"activation": "sigmoid", "per": "element"},
        )
        dense, mixture = gated_feedforward(config), _experts(config)
        inner_part = dense if inner == "dense" else mixture
        return {"norm_position": "sandwich", "mixer": mixer, "feedforward": inner_part}

    first = config.number("num_dense_layers", 0)
    inner = ["dense" if index < first else "sparse" for index in range(len(types))]
    order, blocks = layers.combined(
        list(zip(types, inner, strict=True)), block, layers.LOCAL_GLOBAL
    )
    return decoder(
        config,
        order,
        blocks,
        norm=rmsnorm(config),
        embedding={"scale": "sqrt(hidden_size)"} if config.flag("mup_enabled") else None,
        checkpoint={"prefix": "model.", "tensors": layered(_NAMES)},
    )


def _experts(config: Config) -> Fields:
    several, width = config.size("num_shared_experts"), config.size("moe_intermediate_size")
    return experts(
        config,
        router={"score": "sigmoid", "correction_bias": True, "float32": False},
        renormalize=True,
        renormalize_epsilon=1e-20,
        scale=config.number("route_scale"),
        shared={"intermediate_size": several * width},
    )


_NAMES = {
    **one_by_one(),
    "pre_mlp_layernorm": "pre_feedforward_layernorm",
    "post_mlp_layernorm": "post_feedforward_layernorm",
    "mlp.expert_bias": "mlp.router_correction",
    "mlp.router.gate": "mlp.router",
    "mlp.shared_experts": "mlp.shared",
}

AFMOE = Family(
    model_type="afmoe",
    describe=_describe,
    defaults={
        "vocab_size": 200_192,
        "hidden_size": 2048,
        "intermediate_size": 6144,
        "moe_intermediate_size": 1408,
        "num_hidden_layers": 32,
        "num_dense_layers": 1,
        "num_attention_heads": 16,
        "head_dim": 128,
        "hidden_act": "silu",
        "max_position_embeddings": 16_384,
        "rms_norm_eps": 1e-5,
        "num_experts": 64,
        "num_experts_per_tok": 6,
        "num_shared_experts": 2,
        "route_scale": 1.0,
        "global_attn_every_n_layers": 4,
        "sliding_window": 1024,
    },
    ignored=TRAINING | {"load_balance_coeff"},
    only={"n_group": 1, "route_norm": True, "score_func": "sigmoid", "topk_group": 1},
)
