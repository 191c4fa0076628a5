"""BART (arXiv 1910.13461): learned positions from row two on, norms after each residual."""

from __future__ import annotations

from archspec.importers import layers
from archspec.importers.config import Config
from archspec.importers.family import Draft, Family, Fields
from archspec.importers.parts import activation, decoder, feedforward, published_class

_EPS = 1e-5
_OFFSET = 2
"""Neither is an option: the family's code has them."""


def _describe(config: Config) -> Draft:
    published = published_class(config)
    if published == "BartForCausalLM":
        config.refuse("architectures", "archspec imports the whole encoder-decoder")
    embedding: Fields = {"scale": "sqrt(hidden_size)"} if config.flag("scale_embedding") else {}
    length = config.size("max_position_embeddings")
    positions: Fields = {"type": "learned", "length": length, "offset": _OFFSET}
    embedding |= {"positions": positions, "norm": True}
    writer = _block(config, "decoder", {})
    across = {"type": "attention", "source": "encoder", **writer["mixer"]}
    writer = {**writer, "cross_attention": across, "feedforward": writer.pop("feedforward")}
    draft = decoder(
        config,
        ["writer"] * layers.count(config, "decoder_layers"),
        {"reader": _block(config, "encoder", {"causal": False}), "writer": writer},
        norm={"type": "layernorm", "eps": _EPS},
        embedding=embedding,
        encoder={
            "layers": ["reader"] * layers.count(config),
            "embedding": embedding,
            "final_norm": False,
        },
        final_norm=False,
        checkpoint=_checkpoint(),
    )
    if draft.head:
        draft.head["bias"] = True
        draft.checkpoint["tensors"]["final_logits_bias"] = {"to": "lm_head_bias", "reshape": True}
        draft.notes.append("Its final_logits_bias is stored, not trained: here the head's bias.")
    return draft


def _block(config: Config, stack: str, options: Fields) -> Fields:
    hidden, heads = config.size("hidden_size"), config.size(_heads(stack))
    if hidden % heads:
        config.fail(f"`d_model` {hidden} is not a multiple of {heads} {stack} heads")
    mixer: Fields = {"type": "attention", "heads": heads, "head_dim": hidden // heads}
    inner = feedforward(
        intermediate_size=config.size(f"{stack}_ffn_dim"),
        activation=activation(config, "activation_function"),
        gated=False,
        bias=True,
    )
    return {
        "norm_position": "post",
        "mixer": {**mixer, **options, "qkv_bias": True, "output_bias": True},
        "feedforward": inner,
    }


def _heads(stack: str) -> str:
    return "num_attention_heads" if stack == "encoder" else "decoder_attention_heads"


def _checkpoint() -> Fields:
    names: Fields = {"shared": "embed_tokens"}
    for stack, ours in (("encoder", "encoder."), ("decoder", "")):
        theirs, to = f"{stack}.layers.{{layer}}.", f"{ours}layers.{{layer}}."
        names |= {
            f"{stack}.embed_positions": f"{ours}embed_positions",
            f"{stack}.layernorm_embedding": f"{ours}embed_norm",
            f"{theirs}self_attn.out_proj": f"{to}self_attn.o_proj",
            f"{theirs}self_attn": f"{to}self_attn",
            f"{theirs}self_attn_layer_norm": f"{to}post_attention_layernorm",
        }
        if stack == "decoder":
            norm = f"{to}post_cross_attention_layernorm"
            names |= {
                f"{theirs}encoder_attn.out_proj": f"{to}cross_attn.o_proj",
                f"{theirs}encoder_attn": f"{to}cross_attn",
                f"{theirs}encoder_attn_layer_norm": norm,
            }
        names |= {
            f"{theirs}fc1": f"{to}mlp.up_proj",
            f"{theirs}fc2": f"{to}mlp.down_proj",
            f"{theirs}final_layer_norm": f"{to}post_feedforward_layernorm",
        }
    again = dict.fromkeys(("encoder.embed_tokens", "decoder.embed_tokens"), "embed_tokens")
    return {
        "prefix": "model.",
        "tensors": {old: new for old, new in names.items() if old != new},
        "copies": again,
        "ignore": ["encoder.version", "decoder.version", "classification_head", "qa_outputs"],
    }


BART = Family(
    model_type="bart",
    describe=_describe,
    defaults={
        "vocab_size": 50_265,
        "hidden_size": 1024,
        "num_hidden_layers": 12,
        "num_attention_heads": 16,
        "encoder_ffn_dim": 4096,
        "decoder_layers": 12,
        "decoder_attention_heads": 16,
        "decoder_ffn_dim": 4096,
        "max_position_embeddings": 1024,
        "activation_function": "gelu",
        "scale_embedding": False,
        "tie_word_embeddings": True,
    },
    aliases={
        "d_model": "hidden_size",
        "encoder_attention_heads": "num_attention_heads",
        "encoder_layers": "num_hidden_layers",
        "init_std": "initializer_range",
    },
    ignored=frozenset(
        {
            "activation_dropout",
            "classif_dropout",
            "decoder_layerdrop",
            "encoder_layerdrop",
            "force_bos_token_to_be_generated",
        }
    ),
    # The first files wrote out what the class has always had.
    only={
        "is_encoder_decoder": True,
        "add_bias_logits": False,
        "add_final_layer_norm": False,
        "extra_pos_embeddings": _OFFSET,
        "normalize_before": False,
        "normalize_embedding": True,
        "static_position_embeddings": False,
    },
)
