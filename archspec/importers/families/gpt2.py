"""GPT-2: learned positions, LayerNorm, biases everywhere, matrices stored transposed."""

from __future__ import annotations

from archspec.importers import layers
from archspec.importers.config import Config
from archspec.importers.family import Draft, Family, Fields
from archspec.importers.parts import activation, attention, decoder, feedforward


def _describe(config: Config) -> Draft:
    hidden, positions = config.size("hidden_size"), config.size("max_position_embeddings")
    inner = feedforward(
        intermediate_size=config.size_or("n_inner", 4 * hidden),
        activation=activation(config, "activation_function"),
        gated=False,
        bias=True,
    )
    scale = None if config.flag("scale_attn_weights") else 1.0
    mixer = attention(config, qkv_bias=True, output_bias=True, scale=scale)
    return decoder(
        config,
        ["block"] * layers.count(config),
        {"block": {"mixer": mixer, "feedforward": inner}},
        norm={"type": "layernorm", "eps": config.number("layer_norm_epsilon")},
        embedding={"positions": {"type": "learned", "length": positions}},
        checkpoint=_checkpoint(),
    )


def _checkpoint() -> Fields:
    theirs, ours = "h.{layer}.", "layers.{layer}."
    # Conv1D stores a matrix as (inputs, outputs).
    return {
        "prefix": "transformer.",
        "tensors": {
            "wte": "embed_tokens",
            "wpe": "embed_positions",
            f"{theirs}ln_1": f"{ours}input_layernorm",
            f"{theirs}attn.c_attn": {
                "to": [f"{ours}self_attn.{name}_proj" for name in "qkv"],
                "transpose": True,
            },
            f"{theirs}attn.c_proj": {"to": f"{ours}self_attn.o_proj", "transpose": True},
            f"{theirs}ln_2": f"{ours}post_attention_layernorm",
            f"{theirs}mlp.c_fc": {"to": f"{ours}mlp.up_proj", "transpose": True},
            f"{theirs}mlp.c_proj": {"to": f"{ours}mlp.down_proj", "transpose": True},
            "ln_f": "norm",
        },
        # The causal mask, which old checkpoints stored.
        "constants": {f"{theirs}attn.bias": "causal", f"{theirs}attn.masked_bias": "masked"},
    }


GPT2 = Family(
    model_type="gpt2",
    describe=_describe,
    defaults={
        "vocab_size": 50_257,
        "hidden_size": 768,
        "max_position_embeddings": 1024,
        "num_hidden_layers": 12,
        "num_attention_heads": 12,
        "activation_function": "gelu_new",
        "layer_norm_epsilon": 1e-5,
        "scale_attn_weights": True,
        "tie_word_embeddings": True,
    },
    aliases={
        "n_embd": "hidden_size",
        "n_head": "num_attention_heads",
        "n_layer": "num_hidden_layers",
        "n_positions": "max_position_embeddings",
    },
    ignored=frozenset(
        {
            "attn_pdrop",
            "embd_pdrop",
            "resid_pdrop",
            # The size of the stored mask; `n_positions` bounds the text.
            "n_ctx",
            # Where the softmax is rounded, not what it computes.
            "reorder_and_upcast_attn",
            # The head of the double-headed model.
            "summary_activation",
            "summary_first_dropout",
            "summary_proj_to_labels",
            "summary_type",
            "summary_use_proj",
        }
    ),
    only={"scale_attn_by_inverse_layer_idx": False},
)
