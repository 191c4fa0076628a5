"""BERT (arXiv 1810.04805): a bidirectional encoder with the norm after each residual."""

from __future__ import annotations

from archspec.importers import layers
from archspec.importers.config import Config
from archspec.importers.family import Draft, Family, Fields
from archspec.importers.parts import activation, attention, feedforward, published_class


def _describe(config: Config) -> Draft:
    positions = config.size("max_position_embeddings")
    inner = feedforward(
        intermediate_size=config.size("intermediate_size"),
        activation=activation(config),
        gated=False,
        bias=True,
    )
    mixer = attention(config, causal=False, qkv_bias=True, output_bias=True)
    published = published_class(config)
    notes: list[str] = []
    if published not in ("", "BertModel"):
        notes.append(f"{published} has a head of its own, left out here: this is its body.")
    return Draft(
        vocab_size=config.size("vocab_size"),
        hidden_size=config.size("hidden_size"),
        context_length=positions,
        norm={"type": "layernorm", "eps": config.number("layer_norm_eps")},
        embedding={
            "positions": {"type": "learned", "length": positions},
            "token_types": config.size("type_vocab_size"),
            "norm": True,
        },
        blocks={"block": {"norm_position": "post", "mixer": mixer, "feedforward": inner}},
        layers=["block"] * layers.count(config),
        final_norm=False,
        head=None,
        init_std=config.number("initializer_range", 0.02),
        checkpoint=_checkpoint(),
        notes=notes,
    )


def _checkpoint() -> Fields:
    theirs, ours = "encoder.layer.{layer}.", "layers.{layer}."
    norms = {
        "embeddings.LayerNorm": "embed_norm",
        f"{theirs}attention.output.LayerNorm": f"{ours}post_attention_layernorm",
        f"{theirs}output.LayerNorm": f"{ours}post_feedforward_layernorm",
    }
    # The first published files call a norm's weight and bias gamma and beta.
    early = {"gamma": "weight", "beta": "bias"}
    return {
        "prefix": "bert.",
        "tensors": {
            **{f"{a}.{old}": f"{b}.{new}" for a, b in norms.items() for old, new in early.items()},
            **norms,
            "embeddings.word_embeddings": "embed_tokens",
            "embeddings.position_embeddings": "embed_positions",
            "embeddings.token_type_embeddings": "embed_token_types",
            f"{theirs}attention.self.query": f"{ours}self_attn.q_proj",
            f"{theirs}attention.self.key": f"{ours}self_attn.k_proj",
            f"{theirs}attention.self.value": f"{ours}self_attn.v_proj",
            f"{theirs}attention.output.dense": f"{ours}self_attn.o_proj",
            f"{theirs}intermediate.dense": f"{ours}mlp.up_proj",
            f"{theirs}output.dense": f"{ours}mlp.down_proj",
        },
        "constants": {"embeddings.position_ids": "positions"},
        "ignore": ["pooler", "cls", "classifier", "qa_outputs"],
    }


BERT = Family(
    model_type="bert",
    describe=_describe,
    defaults={
        "vocab_size": 30_522,
        "hidden_size": 768,
        "num_hidden_layers": 12,
        "num_attention_heads": 12,
        "intermediate_size": 3072,
        "hidden_act": "gelu",
        "max_position_embeddings": 512,
        "type_vocab_size": 2,
        "layer_norm_eps": 1e-12,
    },
    ignored=frozenset(
        {
            "attention_probs_dropout_prob",
            "hidden_dropout_prob",
            # The heads, which the body has not.
            "directionality",
            "pooler_fc_size",
            "pooler_num_attention_heads",
            "pooler_num_fc_layers",
            "pooler_size_per_head",
            "pooler_type",
            "tie_word_embeddings",
        }
    ),
    only={"position_embedding_type": "absolute"},
)
