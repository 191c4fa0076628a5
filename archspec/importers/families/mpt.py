"""MPT: no biases at all, and distance told by ALiBi (arXiv 2108.12409)."""

from __future__ import annotations

from archspec.importers.checkpoint import QKV, layered
from archspec.importers.config import Config
from archspec.importers.family import Draft, Family, Fields, close_part
from archspec.importers.parts import attention, feedforward, layernorm, uniform


def _describe(config: Config) -> Draft:
    inner = config.inner("attn_config", config.mapping("attn_config"), _ATTENTION)
    for key, value in _ONLY.items():
        inner.only(key, value, None)
    # The code does not read it: distance is always told by ALiBi.
    unread = not inner.flag("alibi")
    scale = None if inner.value("softmax_scale") is None else inner.number("softmax_scale")
    # Zero is no clip, as null is.
    clip = inner.number("clip_qkv", 0) or None
    close_part(inner, "attn_impl", "attn_pdrop")
    block = {
        "mixer": attention(config, clip_qkv=clip, scale=scale, alibi={}),
        "feedforward": feedforward(
            intermediate_size=4 * config.size("hidden_size"), activation="gelu", gated=False
        ),
    }
    norm = layernorm(config, "layer_norm_epsilon", bias=False)
    length = config.size("max_seq_len")
    draft = uniform(config, block, norm=norm, context_length=length, checkpoint=_checkpoint())
    if unread:
        draft.notes.append(
            "It says `alibi: false`, which transformers does not read; this is what it computes."
        )
    return draft


def _checkpoint() -> Fields:
    names = {
        "norm_1": "input_layernorm",
        "attn.Wqkv": QKV,
        "attn.out_proj": "self_attn.o_proj",
        "norm_2": "post_attention_layernorm",
        "ffn": "mlp",
    }
    ends = {"wte": "embed_tokens", "norm_f": "norm"}
    return {"prefix": "transformer.", "tensors": {**layered(names, "blocks.{layer}."), **ends}}


_ATTENTION = {"alibi": True}
_ONLY = {
    "alibi_bias_max": 8,
    "attn_type": "multihead_attention",
    "attn_uses_sequence_id": False,
    "prefix_lm": False,
    "qk_ln": False,
}

MPT = Family(
    model_type="mpt",
    describe=_describe,
    defaults={
        "vocab_size": 50_368,
        "hidden_size": 2048,
        "num_attention_heads": 16,
        "num_hidden_layers": 24,
        "max_seq_len": 2048,
        "layer_norm_epsilon": 1e-5,
        "tie_word_embeddings": True,
    },
    aliases={
        "d_model": "hidden_size",
        "n_heads": "num_attention_heads",
        "n_layers": "num_hidden_layers",
    },
    ignored=frozenset(
        {
            "emb_pdrop",
            "init_config",
            "init_device",
            "learned_pos_emb",
            "norm_type",
            "resid_pdrop",
            "tokenizer_name",
            "verbose",
        }
    ),
    only={"embedding_fraction": 1.0, "expansion_ratio": 4, "logit_scale": None, "no_bias": True},
)
