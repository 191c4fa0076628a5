"""MiniMax-M2: norms over all heads together, half a head rotates, sigmoid experts."""

from __future__ import annotations

from archspec.importers.checkpoint import layered
from archspec.importers.config import Config
from archspec.importers.experts import TRAINING, experts, sparse_block
from archspec.importers.family import Draft, Family
from archspec.importers.parts import attention, head_width, rmsnorm, uniform
from archspec.importers.rope import rope


def _describe(config: Config) -> Draft:
    width = head_width(config)
    fraction = config.size_or("rotary_dim", width) / width
    block = {
        "mixer": attention(
            config, qk_norm={"scope": "width"}, rope=rope(config, 5e6, fraction=fraction)
        ),
        "feedforward": experts(
            config,
            count="num_local_experts",
            width="intermediate_size",
            router={"score": "sigmoid", "correction_bias": True, "float32": False},
            renormalize=True,
        ),
    }
    correction = "e_score_correction_bias"
    names = {
        **sparse_block(),
        **{f"{block}.{correction}": "mlp.router_correction" for block in _BLOCKS},
    }
    checkpoint = {"prefix": "model.", "tensors": layered(names)}
    return uniform(config, block, norm=rmsnorm(config), checkpoint=checkpoint)


_BLOCKS = ("block_sparse_moe", "mlp")
"""The names of the experts' block in files and in memory."""

MINIMAX_M2 = Family(
    model_type="minimax_m2",
    describe=_describe,
    defaults={
        "vocab_size": 200_064,
        "hidden_size": 3072,
        "intermediate_size": 1536,
        "num_hidden_layers": 62,
        "num_attention_heads": 48,
        "num_key_value_heads": 8,
        "head_dim": 128,
        "hidden_act": "silu",
        "max_position_embeddings": 196_608,
        "rms_norm_eps": 1e-6,
        "num_experts_per_tok": 8,
        "num_local_experts": 256,
    },
    aliases={"num_experts": "num_local_experts"},
    # The layers for multi-token prediction are in no published checkpoint.
    ignored=TRAINING | {"mtp_transformer_layers", "num_mtp_modules", "use_mtp"},
    only={
        "qk_norm_type": "per_layer",
        "scoring_func": "sigmoid",
        "shared_intermediate_size": 0,
        "use_qk_norm": True,
        "use_routing_bias": True,
    },
)
