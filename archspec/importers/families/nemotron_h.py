"""Nemotron-H and Nemotron 3 (arXiv 2504.03624, 2512.20848): one mixer or feed-forward a layer."""

from __future__ import annotations

from collections.abc import Collection

from archspec.importers import layers
from archspec.importers.checkpoint import OURS, layered
from archspec.importers.config import Config
from archspec.importers.experts import TRAINING, experts
from archspec.importers.family import Draft, Family, Fields
from archspec.importers.parts import attention, decoder, plain_feedforward, rmsnorm
from archspec.importers.state_space import INITIAL, KERNELS, NAMES, OLDER, Keys, mamba2
from archspec.language.schedule import MAX_LAYERS

_LETTERS = {"M": "linear_attention", "E": "moe", "*": "full_attention", "-": "mlp"}
_KEYS = Keys(
    heads="mamba_num_heads",
    head_dim="mamba_head_dim",
    state_dim="ssm_state_size",
    groups="n_groups",
    conv="conv_kernel",
    conv_bias="use_conv_bias",
    bias="use_bias",
    activation="mamba_hidden_act",
)


def _describe(config: Config) -> Draft:
    # Every kind is read, so that a model without one may still carry its sizes.
    bias = config.flag("mlp_bias")
    dense = plain_feedforward(config, "mlp_hidden_act", bias=bias)
    described: dict[str, Fields] = {
        # The class takes the bound from this key, not from `time_step_limit`.
        "linear_attention": {"mixer": mamba2(config, _KEYS, least=config.number("time_step_min"))},
        "full_attention": {"mixer": attention(config)},
        "moe": {"feedforward": _experts(config)},
        "mlp": {"feedforward": dense},
    }
    kinds = _kinds(config)
    names = {**NAMES, "moe": "experts", "mlp": "feedforward"}
    order, blocks = layers.blocks(kinds, described.__getitem__, names)
    mtp = layers.mtp(config, "num_nextn_predict_layers")
    draft = decoder(
        config,
        order,
        blocks,
        norm=rmsnorm(config, "layer_norm_epsilon"),
        checkpoint=_checkpoint(kinds, config.given("moe_latent_size"), mtp > 0),
    )
    if mtp:
        draft.notes.append("Its layers for multi-token prediction are left out.")
    return draft


def _kinds(config: Config) -> list[str]:
    if config.given("layers_block_type"):
        config.value("hybrid_override_pattern")
        kinds = [OLDER.get(kind, kind) for kind in config.words("layers_block_type")]
    elif config.given("hybrid_override_pattern"):
        kinds = [_LETTERS.get(c, c) for c in config.word("hybrid_override_pattern")]
    else:
        kinds = ["linear_attention", "moe", "full_attention", "mlp"]
    if not 0 < len(kinds) <= MAX_LAYERS:
        config.fail(f"{len(kinds):,} layers; a spec has 1 to {MAX_LAYERS:,}")
    if config.given("num_hidden_layers") and config.size("num_hidden_layers") != len(kinds):
        config.fail(f"`num_hidden_layers` disagrees with a list of {len(kinds)} layers")
    for kind in dict.fromkeys(kinds):
        if kind not in _LETTERS.values():
            config.fail(f"a layer is {kind[:60]!r}; archspec does not express that")
    return kinds


def _experts(config: Config) -> Fields:
    groups, keep = config.size("n_group"), config.size("topk_group")
    bias = config.flag("mlp_bias")
    router: Fields = {"score": "sigmoid", "correction_bias": True, "float32": True}
    if groups > 1:
        router["groups"] = {"count": groups, "keep": keep, "by": "top2"}
    renormalize = config.flag("norm_topk_prob")
    latent: Fields | None = None
    if config.value("moe_latent_size") is not None:
        latent = {"width": config.size("moe_latent_size")} | ({"bias": True} if bias else {})
    shared: Fields = {"intermediate_size": config.size("moe_shared_expert_intermediate_size")}
    return experts(
        config,
        count="n_routed_experts",
        act="mlp_hidden_act",
        gated=False,
        router=router,
        renormalize=renormalize,
        renormalize_epsilon=1e-20 if renormalize else None,
        scale=config.number("routed_scaling_factor"),
        latent=latent,
        shared=shared | ({"bias": True} if bias else {}),
    )


def _checkpoint(kinds: Collection[str], latent: bool, mtp: bool) -> Fields:
    names: dict[str, str | list[str] | Fields] = {"norm": "input_layernorm"}
    for kind, ours in (("linear_attention", "mamba"), ("full_attention", "self_attn")):
        if kind in kinds:
            names |= {f"mixer.{name}": f"{ours}.{name}" for name in _MIXERS[kind]}
    if "moe" in kinds:
        names |= _MIXTURE | (_LATENT if latent else {})
    if "mlp" in kinds or "moe" in kinds:
        names["mixer"] = "mlp"
    ends = {"embeddings": "embed_tokens", "norm_f": "norm"}
    # Files say `backbone.`, a model of transformers in memory `model.`.
    inside = {f"model.{name}": ours for name, ours in ends.items()}
    tensors = {**layered(names), **ends, **layered(names, f"model.{OURS}"), **inside}
    ignore: Fields = {"ignore": ["mtp"]} if mtp else {}
    return {"prefix": "backbone.", "tensors": tensors, **ignore}


_MIXERS = {
    "linear_attention": ("in_proj", "conv1d", "dt_bias", "A_log", "D", "norm", "out_proj"),
    "full_attention": ("q_proj", "k_proj", "v_proj", "o_proj"),
}
_MIXTURE = {
    "mixer.experts.{item}.up_proj.weight": "mlp.experts.up_proj",
    "mixer.experts.{item}.down_proj.weight": "mlp.experts.down_proj",
    "mixer.gate.e_score_correction_bias": "mlp.router_correction",
    "mixer.gate": "mlp.router",
    "mixer.shared_experts": "mlp.shared",
}
_LATENT = {
    "mixer.fc1_latent_proj": "mlp.latent_in",
    "mixer.fc2_latent_proj": "mlp.latent_out",
}


NEMOTRON_H = Family(
    model_type="nemotron_h",
    describe=_describe,
    defaults={
        "vocab_size": 131_072,
        "hidden_size": 4096,
        "intermediate_size": 21_504,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "head_dim": 128,
        "max_position_embeddings": 4096,
        "mlp_hidden_act": "relu2",
        "mamba_hidden_act": "silu",
        "ssm_state_size": 128,
        "mamba_num_heads": 128,
        "mamba_head_dim": 64,
        "n_groups": 8,
        "conv_kernel": 4,
        "use_conv_bias": True,
        "time_step_min": 0.001,
        "n_routed_experts": 8,
        "moe_intermediate_size": 7688,
        "moe_shared_expert_intermediate_size": 7688,
        "num_experts_per_tok": 2,
        "routed_scaling_factor": 1.0,
        "n_group": 1,
        "topk_group": 1,
        "norm_topk_prob": True,
        "layer_norm_epsilon": 1e-5,
    },
    aliases={"layer_types": "layers_block_type"},
    ignored=TRAINING
    | KERNELS
    | INITIAL
    | {
        "chunk_size",
        "expand",
        "mamba_ssm_cache_dtype",
        "moe_shared_expert_overlap",
        "mtp_hybrid_override_pattern",
        "mtp_layers_block_type",
        "norm_eps",
        "num_logits_to_keep",
        # Nothing rotates.
        "partial_rotary_factor",
        "rope_theta",
        "time_step_limit",
    },
    only={
        "attention_bias": False,
        "mamba_proj_bias": False,
        "n_shared_experts": 1,
        "sliding_window": None,
    },
)
