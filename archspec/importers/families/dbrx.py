"""DBRX: LayerNorm without a bias, clipped projections, experts stored one below the other."""

from __future__ import annotations

from archspec.importers.checkpoint import QKV, layered
from archspec.importers.config import Config
from archspec.importers.experts import experts
from archspec.importers.family import Draft, Family, Fields, close_part
from archspec.importers.parts import attention, uniform
from archspec.importers.rope import rope

_EPS = 1e-5
"""Not an option: the family's code has it."""


def _describe(config: Config) -> Draft:
    inner = config.inner("attn_config", config.mapping("attn_config"), {"kv_n_heads": 1})
    clip, kv_heads = inner.number("clip_qkv", 0) or None, inner.size("kv_n_heads")
    config.only("num_key_value_heads", kv_heads, None)
    mixer = attention(
        config,
        kv_heads=kv_heads,
        clip_qkv=clip,
        rope=rope(config, inner.number("rope_theta", 10_000.0)),
    )
    close_part(inner, "attn_pdrop")
    return uniform(
        config,
        {"mixer": mixer, "feedforward": _experts(config)},
        norm={"type": "layernorm", "eps": _EPS, "bias": False},
        checkpoint=_checkpoint(),
    )


def _experts(config: Config) -> Fields:
    inner = config.inner("ffn_config", config.mapping("ffn_config"), _EXPERTS)
    inner.only("moe_normalize_expert_weights", None, 1)
    activation = inner.inner("ffn_act_fn", inner.mapping("ffn_act_fn"), {"name": "silu"})
    activation.only("name", "silu")
    activation.close()
    out = experts(
        inner,
        count="moe_num_experts",
        top_k="moe_top_k",
        width="ffn_hidden_size",
        act="hidden_act",
        renormalize=inner.value("moe_normalize_expert_weights") is not None,
    )
    close_part(inner, "hidden_size", "moe_jitter_eps", "moe_loss_weight")
    return out


def _checkpoint() -> Fields:
    names: dict[str, str | list[str] | Fields] = {
        "norm_attn_norm.norm_1": "input_layernorm",
        "norm_attn_norm.norm_2": "post_attention_layernorm",
        "norm_attn_norm.attn.Wqkv": QKV,
        "norm_attn_norm.attn.out_proj": "self_attn.o_proj",
        "ffn.router.layer": "mlp.router",
        "ffn.experts.mlp.w1": {"to": "mlp.experts.gate_up_proj", "part": "first", "axis": 1},
        "ffn.experts.mlp.v1": {"to": "mlp.experts.gate_up_proj", "part": "second", "axis": 1},
        "ffn.experts.mlp.w2": {"to": "mlp.experts.down_proj", "transpose": True},
    }
    for name in ("w1", "v1", "w2"):
        rule = names[f"ffn.experts.mlp.{name}"]
        assert isinstance(rule, dict)
        rule["reshape"] = True
    ends = {"wte": "embed_tokens", "norm_f": "norm"}
    return {"prefix": "transformer.", "tensors": {**layered(names, "blocks.{layer}."), **ends}}


_EXPERTS = {
    "ffn_hidden_size": 3584,
    "hidden_act": "silu",
    "moe_normalize_expert_weights": 1.0,
    "moe_num_experts": 4,
    "moe_top_k": 1,
}

DBRX = Family(
    model_type="dbrx",
    describe=_describe,
    defaults={
        "vocab_size": 32_000,
        "hidden_size": 2048,
        "num_attention_heads": 16,
        "num_hidden_layers": 24,
        "max_position_embeddings": 2048,
    },
    aliases={
        "d_model": "hidden_size",
        "max_seq_len": "max_position_embeddings",
        "n_heads": "num_attention_heads",
        "n_layers": "num_hidden_layers",
    },
    ignored=frozenset({"emb_pdrop", "output_router_logits", "resid_pdrop", "router_aux_loss_coef"}),
)
