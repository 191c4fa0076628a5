"""GLM-4.5 (arXiv 2508.06471): sigmoid experts in groups behind first dense layers."""

from __future__ import annotations

from archspec.importers import layers
from archspec.importers.checkpoint import layered
from archspec.importers.config import Config
from archspec.importers.experts import TRAINING, experts, one_by_one
from archspec.importers.family import Draft, Family, Fields
from archspec.importers.parts import attention, decoder, gated_feedforward, rmsnorm
from archspec.importers.rope import rope


def _describe(config: Config) -> Draft:
    count, first = layers.count(config), config.number("first_k_dense_replace")

    def block(inner: str) -> Fields:
        mixer = attention(
            config,
            qkv_bias=config.flag("attention_bias"),
            qk_norm=config.flag("use_qk_norm"),
            rope=rope(config, fraction=0.5),
        )
        dense, mixture = gated_feedforward(config), _experts(config)
        return {"mixer": mixer, "feedforward": dense if inner == "dense" else mixture}

    kinds = [("dense" if index < first else "sparse",) for index in range(count)]
    order, blocks = layers.combined(kinds, block)
    names = {
        **one_by_one(),
        "mlp.gate.e_score_correction_bias": "mlp.router_correction",
        "mlp.gate": "mlp.router",
        "mlp.shared_experts": "mlp.shared",
    }
    further = config.number("num_mtp_layers", 0)
    checkpoint: Fields = {"prefix": "model.", "tensors": layered(names)}
    if further:
        checkpoint["ignore"] = [f"layers.{count + index}" for index in range(int(further))]
    draft = decoder(config, order, blocks, norm=rmsnorm(config), checkpoint=checkpoint)
    if further:
        draft.notes.append("Its layers that predict further tokens are left out.")
    return draft


def _experts(config: Config) -> Fields:
    groups, keep = config.size("n_group"), config.size("topk_group")
    router: Fields = {"score": "sigmoid", "correction": True}
    if groups > 1:
        router["groups"] = {"count": groups, "keep": keep, "by": "top2"}
    renormalize = config.flag("norm_topk_prob")
    width, shared = config.size("moe_intermediate_size"), config.size("n_shared_experts")
    return experts(
        config,
        count="num_local_experts",
        router=router,
        renormalize=renormalize,
        renormalize_epsilon=1e-20 if renormalize else None,
        scale=config.number("routed_scaling_factor"),
        shared={"hidden_size": width * shared},
    )


GLM4_MOE = Family(
    model_type="glm4_moe",
    describe=_describe,
    defaults={
        "vocab_size": 151_552,
        "hidden_size": 4096,
        "intermediate_size": 10_944,
        "num_hidden_layers": 46,
        "num_attention_heads": 96,
        "num_key_value_heads": 8,
        "hidden_act": "silu",
        "max_position_embeddings": 131_072,
        "rms_norm_eps": 1e-5,
        "moe_intermediate_size": 1408,
        "num_experts_per_tok": 8,
        "n_shared_experts": 1,
        "num_local_experts": 128,
        "routed_scaling_factor": 1.0,
        "n_group": 1,
        "topk_group": 1,
        "first_k_dense_replace": 1,
        "norm_topk_prob": True,
        "num_mtp_layers": 1,
    },
    aliases={
        "n_routed_experts": "num_local_experts",
        "num_nextn_predict_layers": "num_mtp_layers",
    },
    ignored=TRAINING | {"pretraining_tp"},
)
