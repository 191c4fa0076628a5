"""Latent attention as published: `q_lora_rank`, `kv_lora_rank`, `qk_nope_head_dim` and the rest."""

from __future__ import annotations

import math
from typing import Any

from archspec.importers.config import Config
from archspec.importers.family import Fields
from archspec.importers.rope import parameters

EPS = 1e-6
"""Of the norms over latents and index keys, whatever `rms_norm_eps` is."""

DERIVED = frozenset({"head_dim", "qk_head_dim"})
"""Keys that the configuration classes work out from others."""


def latent_attention(config: Config, rope: Fields | None, **more: Any) -> Fields:
    """A latent attention mixer with this rotation; `more` are further fields, null left out."""
    heads = config.size("num_attention_heads")
    config.only("num_key_value_heads", None, heads)
    rank = None if config.value("q_lora_rank") is None else config.size("q_lora_rank")
    nope, turned = config.size("qk_nope_head_dim"), config.size("qk_rope_head_dim")
    bias = config.flag("attention_bias")
    usual = (nope + turned) ** -0.5
    scale = usual * _temperature(config) ** 2
    out: Fields = {
        "type": "mla",
        "heads": heads,
        "query_rank": rank,
        "kv_rank": config.size("kv_lora_rank"),
        "nope_dim": nope,
        "rope_dim": turned,
        "value_head_dim": config.size("v_head_dim"),
        "latent_bias": bias or None,
        "output_bias": bias or None,
        "latent_norm": {"eps": EPS},
        "rope": rope,
        "scale": None if scale == usual else scale,
        **more,
    }
    return {key: value for key, value in out.items() if value is not None}


def _temperature(config: Config) -> float:
    """What the scores of a stretched rotation are raised by, twice.

    YaRN (arXiv 2309.00071, section 3.4) raises queries and keys by it; where only a part of them
    rotates, the scores of the whole head are raised in place of that part.
    """
    _, given = parameters(config)
    kind = given.get("rope_type", given.get("type"))
    inner = config.inner("rope_scaling", given)
    weight = inner.number("mscale_all_dim", 0)
    if kind in (None, "default") or not weight:
        return 1.0
    factor = inner.number("factor")
    return 0.1 * weight * math.log(factor) + 1.0 if factor > 1 else 1.0


def token_selection(config: Config, rope: Fields, pairing: str) -> Fields:
    """The tokens that attention sees, chosen by an index that turns as far as the attention."""
    width, turned = config.size("index_head_dim"), config.size("qk_rope_head_dim")
    if turned > width:
        config.refuse("index_head_dim", f"narrower than the {turned} dimensions that rotate")
    rotation = {key: value for key, value in rope.items() if key != "pairing"}
    rotation |= {"fraction": turned / width} if turned < width else {}
    rotation |= {"pairing": pairing} if pairing != "half" else {}
    return {
        "type": "lightning_indexer",
        "heads": config.size("index_n_heads"),
        "head_dim": width,
        "top_k": config.size("index_topk"),
        "norm": {"type": "layernorm", "eps": EPS},
        "rope": rotation,
    }
