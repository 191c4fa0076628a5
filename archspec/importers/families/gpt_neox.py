"""GPT-NeoX and Pythia (arXiv 2204.06745): two norms side by side, a quarter of a head rotates."""

from __future__ import annotations

from archspec.importers.checkpoint import QKV, layered
from archspec.importers.config import Config
from archspec.importers.family import Draft, Family, Fields
from archspec.importers.parts import attention, layernorm, plain_feedforward, uniform
from archspec.importers.rope import rope


def _describe(config: Config) -> Draft:
    bias, heads = config.flag("attention_bias"), config.size("num_attention_heads")
    turns = rope(config, fraction=0.25)
    mixer = attention(config, qkv_bias=bias, output_bias=bias, rope=turns)
    block: Fields = {"mixer": mixer, "feedforward": plain_feedforward(config, bias=True)}
    if config.flag("use_parallel_residual"):
        block = {"parallel": True, **block}
    names = {
        "attention.query_key_value": {"to": QKV, "groups": heads},
        "attention.dense": "self_attn.o_proj",
        "mlp.dense_h_to_4h": "mlp.up_proj",
        "mlp.dense_4h_to_h": "mlp.down_proj",
    }
    ends = {"embed_in": "embed_tokens", "final_layer_norm": "norm", "embed_out": "lm_head"}
    # The causal mask and the frequencies, which old checkpoints stored.
    stored, frequencies = {"bias": "causal", "masked_bias": "masked"}, "rotary_emb.inv_freq"
    unread: Fields = {"ignore": [f"layers.{{layer}}.attention.{frequencies}"]}
    if "scaling" not in turns:
        stored, unread = {**stored, frequencies: "frequencies"}, {}
    checkpoint = {
        "prefix": "gpt_neox.",
        "tensors": {**layered(names), **ends},
        "constants": {f"layers.{{layer}}.attention.{n}": held for n, held in stored.items()},
        **unread,
    }
    return uniform(config, block, norm=layernorm(config), checkpoint=checkpoint)


GPT_NEOX = Family(
    model_type="gpt_neox",
    describe=_describe,
    defaults={
        "vocab_size": 50_432,
        "hidden_size": 6144,
        "num_hidden_layers": 44,
        "num_attention_heads": 64,
        "intermediate_size": 24_576,
        "hidden_act": "gelu",
        "max_position_embeddings": 2048,
        "layer_norm_eps": 1e-5,
        "use_parallel_residual": True,
        "attention_bias": True,
    },
    ignored=frozenset({"attention_probs_dropout_prob", "hidden_dropout_prob"}),
    aliases={"rotary_emb_base": "rope_theta", "rotary_pct": "partial_rotary_factor"},
)
