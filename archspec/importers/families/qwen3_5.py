"""Qwen3.5: the layers of Qwen3-Next with linear maps of their own, dense or with experts."""

from __future__ import annotations

from archspec.importers import layers
from archspec.importers.checkpoint import layered
from archspec.importers.config import Config
from archspec.importers.experts import TRAINING
from archspec.importers.families import qwen3_next
from archspec.importers.family import Draft, Family, Fields, Wrapper
from archspec.importers.parts import decoder, gated_feedforward, rmsnorm

_APART: dict[str, str | list[str] | Fields] = {
    "linear_attn.in_proj_qkv": [f"linear_attn.{name}_proj" for name in "qkv"],
    "linear_attn.in_proj_z": "linear_attn.g_proj",
    "linear_attn.in_proj_b": "linear_attn.b_proj",
    "linear_attn.in_proj_a": "linear_attn.a_proj",
}


def _describe(config: Config, fine: bool) -> Draft:
    def block(kind: str) -> Fields:
        inner = qwen3_next.mixture(config, renormalize=True) if fine else gated_feedforward(config)
        return {"mixer": qwen3_next.mixer(config, kind), "feedforward": inner}

    order, blocks = layers.blocks(qwen3_next.kinds(config), block, qwen3_next.NAMES)
    names = {**qwen3_next.query_and_gate(config), **_APART, **qwen3_next.ENDS}
    names |= qwen3_next.EXPERTS if fine else {}
    ignore = [qwen3_next.MTP]
    checkpoint = {"prefix": "model.", "tensors": layered(names), "ignore": ignore}
    norm = rmsnorm(config, zero_centered=True)
    return decoder(config, order, blocks, norm=norm, checkpoint=checkpoint)


def _dense(config: Config) -> Draft:
    return _describe(config, fine=False)


def _sparse(config: Config) -> Draft:
    return _describe(config, fine=True)


# The type of the state, here float32 always; and of the layers for multi-token prediction.
_IGNORED = frozenset({"mamba_ssm_dtype", "mtp_num_hidden_layers", "mtp_use_dedicated_embeddings"})

_ONLY: Fields = {"attn_output_gate": True, "output_gate_type": "swish"}

TEXT = Family(
    model_type="qwen3_5_text",
    describe=_dense,
    defaults={
        **qwen3_next.DEFAULTS,
        "vocab_size": 248_320,
        "hidden_size": 4096,
        "intermediate_size": 12_288,
        "num_hidden_layers": 32,
        "num_key_value_heads": 4,
    },
    ignored=_IGNORED,
    only=_ONLY,
)

MOE_TEXT = Family(
    model_type="qwen3_5_moe_text",
    describe=_sparse,
    defaults={
        **qwen3_next.DEFAULTS,
        **qwen3_next.FINE,
        "vocab_size": 248_320,
        "hidden_size": 2048,
        "num_hidden_layers": 40,
        "num_experts": 256,
        "num_experts_per_tok": 8,
    },
    # A width that no layer has, for there is no dense one.
    ignored=_IGNORED | TRAINING | {"intermediate_size"},
    only=_ONLY | {"norm_topk_prob": True, "decoder_sparse_step": 1, "mlp_only_layers": []},
)


def _wrapper(model_type: str, text: Family) -> Wrapper:
    return Wrapper(
        model_type=model_type,
        text=text,
        left_out={"vision_config": "the vision tower"},
        checkpoint={
            "prefix": "model.language_model.",
            "ignore": ["model.visual", qwen3_next.MTP],
        },
        tied=False,
        ignored=frozenset(
            {"image_token_id", "video_token_id", "vision_end_token_id", "vision_start_token_id"}
        ),
    )


MULTIMODAL = _wrapper("qwen3_5", TEXT)
MOE_MULTIMODAL = _wrapper("qwen3_5_moe", MOE_TEXT)
