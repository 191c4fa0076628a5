"""DeepSeek-V3.2 (arXiv 2512.02556): DeepSeek-V3 whose tokens see the best of those before them.

GLM-5 is of the same design; its layers may share what one of them chose (arXiv 2603.12201).
"""

from __future__ import annotations

from collections.abc import Sequence

from archspec.importers import layers
from archspec.importers.checkpoint import layered
from archspec.importers.config import Config
from archspec.importers.experts import (
    TRAINING,
    corrected_experts,
    dense_first,
    gated_block,
    without_mtp,
)
from archspec.importers.family import Draft, Family, Fields
from archspec.importers.latent import DERIVED, latent_attention, token_selection
from archspec.importers.parts import decoder, gated_feedforward, rmsnorm
from archspec.importers.rope import rope

_INDEXED = "indexed_attention"
_FULL, _SHARED = "full", "shared"


def _deepseek(config: Config) -> Draft:
    return _sparse(config, "half", [_FULL] * layers.count(config))


def _glm(config: Config) -> Draft:
    return _sparse(config, "interleaved", _sharing(config))


def _sparse(config: Config, pairing: str, sharing: Sequence[str]) -> Draft:
    layers.kinds(config, lambda _: _INDEXED, {_INDEXED})
    rotation = rope(config, pairing="interleaved")
    own = token_selection(config, rotation, pairing)
    shared: Fields = {"type": "shared", "top_k": own["top_k"]}
    dense, mixture = gated_feedforward(config), corrected_experts(config)

    def block(inner: str, choice: str) -> Fields:
        mixer = latent_attention(config, rotation, select=own if choice == _FULL else shared)
        return {"mixer": mixer, "feedforward": dense if inner == "dense" else mixture}

    order, blocks = layers.combined(list(zip(_inner(config), sharing, strict=True)), block)
    checkpoint: Fields = {"prefix": "model.", "tensors": layered(gated_block())}
    draft = decoder(config, order, blocks, norm=rmsnorm(config), checkpoint=checkpoint)
    return without_mtp(config, draft)


def _inner(config: Config) -> list[str]:
    """`dense` or `sparse` for each layer."""
    first = dense_first(config)
    if not config.given("mlp_layer_types"):
        return first
    inner = layers.per_layer(config, "mlp_layer_types", config.words("mlp_layer_types"))
    if not {"dense", "sparse"} >= set(inner):
        config.refuse("mlp_layer_types")
    return inner


def _sharing(config: Config) -> list[str]:
    """`full` or `shared` for each layer: listed, as a pattern, or by how often one chooses."""
    count = layers.count(config)
    if config.given("indexer_types"):
        key, found = "indexer_types", config.words("indexer_types")
    elif config.given("index_topk_pattern"):
        key, letters = "index_topk_pattern", {"F": _FULL, "S": _SHARED}
        pattern = config.value(key)
        written = list(pattern) if isinstance(pattern, str) else config.words(key)
        found = [letters.get(word, word) for word in written]
    else:
        every = max(int(config.number("index_topk_freq", 1)), 1)
        first = int(config.number("index_skip_topk_offset", 2))
        chooses = [max(index - first + 1, 0) % every == 0 for index in range(count)]
        return [_FULL if one else _SHARED for one in chooses]
    # Which of the three ways was taken is all that counts.
    config.seen |= {"index_topk_pattern", "index_topk_freq", "index_skip_topk_offset"}
    if not {_FULL, _SHARED} >= set(found):
        config.refuse(key)
    return layers.per_layer(config, key, found)


_ALIASES = {
    "num_experts": "n_routed_experts",
    "num_local_experts": "n_routed_experts",
    "num_nextn_predict_layers": "num_mtp_layers",
}
_IGNORED = TRAINING | DERIVED | {"aux_loss_alpha", "ep_size", "pretraining_tp", "seq_aux"}
_ONLY = {
    "mlp_bias": False,
    "moe_layer_freq": 1,
    "rope_interleave": True,
    "scoring_func": "sigmoid",
    "topk_method": "noaux_tc",
}
_COMMON = {
    "hidden_act": "silu",
    "kv_lora_rank": 512,
    "qk_rope_head_dim": 64,
    "moe_intermediate_size": 2048,
    "n_routed_experts": 256,
    "n_shared_experts": 1,
    "num_experts_per_tok": 8,
    "first_k_dense_replace": 3,
    "norm_topk_prob": True,
    "routed_scaling_factor": 2.5,
    "index_topk": 2048,
    "index_head_dim": 128,
}

DEEPSEEK_V32 = Family(
    model_type="deepseek_v32",
    describe=_deepseek,
    defaults={
        **_COMMON,
        "vocab_size": 129_280,
        "hidden_size": 7168,
        "intermediate_size": 18_432,
        "num_hidden_layers": 61,
        "num_attention_heads": 128,
        "num_key_value_heads": 128,
        "max_position_embeddings": 163_840,
        "rms_norm_eps": 1e-6,
        "q_lora_rank": 1536,
        "qk_nope_head_dim": 128,
        "v_head_dim": 128,
        "n_group": 8,
        "topk_group": 4,
        "index_n_heads": 64,
    },
    aliases=_ALIASES,
    ignored=_IGNORED,
    only=_ONLY,
)
GLM_MOE_DSA = Family(
    model_type="glm_moe_dsa",
    describe=_glm,
    defaults={
        **_COMMON,
        "vocab_size": 154_880,
        "hidden_size": 6144,
        "intermediate_size": 12_288,
        "num_hidden_layers": 78,
        "num_attention_heads": 64,
        "num_key_value_heads": 64,
        "max_position_embeddings": 202_752,
        "rms_norm_eps": 1e-5,
        "q_lora_rank": 2048,
        "qk_nope_head_dim": 192,
        "v_head_dim": 256,
        "n_group": 1,
        "topk_group": 1,
        "index_n_heads": 32,
    },
    aliases=_ALIASES,
    ignored=_IGNORED,
    only=_ONLY | {"indexer_rope_interleave": True},
)
