"""Mixtures of experts as published."""

from __future__ import annotations

from typing import Any

from archspec.importers import layers
from archspec.importers.config import Config
from archspec.importers.family import Draft, Fields
from archspec.importers.parts import activation

TRAINING = frozenset({"output_router_logits", "router_aux_loss_coef", "router_jitter_noise"})
"""Options of the losses and the noise that train a router."""


def experts(
    config: Config,
    *,
    count: str = "num_experts",
    top_k: str = "num_experts_per_tok",
    width: str = "moe_intermediate_size",
    act: str = "hidden_act",
    gated: bool = True,
    fixed: str | None = None,
    router: Fields | None = None,
    renormalize: bool = False,
    **more: Any,
) -> Fields:
    """A mixture of experts, gated unless said otherwise, from the keys that hold its sizes.

    `fixed` is the activation of a family whose configurations state none. `more` are fields of
    the language in the order to be written; null and 1 are left out.
    """
    out: Fields = {
        "type": "moe",
        "experts": config.size(count),
        "top_k": config.size(top_k),
        "intermediate_size": config.size(width),
        "activation": fixed or activation(config, act),
    }
    if not gated:
        out["gated"] = False
    if router:
        out["router"] = router
    out["renormalize"] = renormalize
    return out | {key: value for key, value in more.items() if value not in (None, 1)}


def one_by_one(
    theirs: str = "mlp.experts",
    gate: str = "gate_proj",
    up: str = "up_proj",
    down: str = "down_proj",
) -> dict[str, str | list[str] | Fields]:
    """Rules for experts that are published each on its own, below `theirs`.

    That is what files hold; a model of transformers in memory has them stacked, as ours.
    """
    first = "mlp.experts.gate_up_proj"
    return {
        f"{theirs}.{{item}}.{gate}.weight": {"to": first, "part": "first"},
        f"{theirs}.{{item}}.{up}.weight": {"to": first, "part": "second"},
        f"{theirs}.{{item}}.{down}.weight": "mlp.experts.down_proj",
    }


def sparse_block() -> dict[str, str | list[str] | Fields]:
    """The same under the names of Mixtral's files, with its router."""
    theirs = "block_sparse_moe."
    return {
        **one_by_one(f"{theirs}experts", "w1", "w3", "w2"),
        f"{theirs}gate": "mlp.router",
        "mlp.gate": "mlp.router",
    }


def corrected_experts(config: Config, count: str = "n_routed_experts") -> Fields:
    """Sigmoid scores with a correction, in groups as good as their two best experts.

    These families make the router's product in float32.
    """
    groups, keep = config.size("n_group"), config.size("topk_group")
    router: Fields = {"score": "sigmoid", "correction_bias": True, "float32": True}
    if groups > 1:
        router["groups"] = {"count": groups, "keep": keep, "by": "top2"}
    renormalize = config.flag("norm_topk_prob")
    return experts(
        config,
        count=count,
        router=router,
        renormalize=renormalize,
        renormalize_epsilon=1e-20 if renormalize else None,
        scale=config.number("routed_scaling_factor"),
        shared=shared_experts(config),
    )


def shared_experts(config: Config) -> Fields:
    """The experts that every token uses, as the one feed-forward that they are together."""
    width, several = config.size("moe_intermediate_size"), config.size("n_shared_experts")
    return {"intermediate_size": width * several}


def gated_block() -> dict[str, str | list[str] | Fields]:
    """Rules for a router called `mlp.gate`, with its correction, and shared experts beside it."""
    return {
        **one_by_one(),
        "mlp.gate.e_score_correction_bias": "mlp.router_correction",
        "mlp.gate": "mlp.router",
        "mlp.shared_experts": "mlp.shared",
    }


def dense_first(config: Config) -> list[str]:
    """`dense` or `sparse` for each layer: the first `first_k_dense_replace` are dense."""
    first, count = config.number("first_k_dense_replace"), layers.count(config)
    return ["dense" if index < first else "sparse" for index in range(count)]


def without_mtp(config: Config, draft: Draft) -> Draft:
    """`draft` without the layers for multi-token prediction, which files hold after the others."""
    count, mtp = layers.count(config), layers.mtp(config, "num_mtp_layers")
    if mtp:
        draft.checkpoint["ignore"] = [f"layers.{count + index}" for index in range(mtp)]
        draft.notes.append("Its layers for multi-token prediction are left out.")
    return draft
