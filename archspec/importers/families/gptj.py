"""GPT-J: both branches read one norm; neighbouring dimensions rotate in pairs."""

from __future__ import annotations

from archspec.importers.checkpoint import layered
from archspec.importers.config import Config
from archspec.importers.family import Draft, Family, Fields
from archspec.importers.parts import (
    activation,
    attention,
    feedforward,
    head_width,
    layernorm,
    uniform,
)
from archspec.importers.rope import THETA


def _describe(config: Config) -> Draft:
    rotation: Fields = {"theta": THETA}
    if (width := config.size("rotary_dim")) != head_width(config):
        rotation["fraction"] = width / head_width(config)
    rotation["pairing"] = "interleaved"
    inner = feedforward(
        intermediate_size=config.size_or("n_inner", 4 * config.size("hidden_size")),
        activation=activation(config, "activation_function"),
        gated=False,
        bias=True,
    )
    block = {
        "parallel": True,
        "shared_norm": True,
        "mixer": attention(config, rope=rotation),
        "feedforward": inner,
    }
    return uniform(
        config,
        block,
        norm=layernorm(config, "layer_norm_epsilon"),
        head={"bias": True},
        checkpoint=_checkpoint(),
    )


def _checkpoint() -> Fields:
    theirs = "h.{layer}."
    names = {
        "ln_1": "input_layernorm",
        "attn.out_proj": "self_attn.o_proj",
        **{f"attn.{name}_proj": f"self_attn.{name}_proj" for name in "qkv"},
        "mlp.fc_in": "mlp.up_proj",
        "mlp.fc_out": "mlp.down_proj",
    }
    return {
        "prefix": "transformer.",
        "tensors": {"wte": "embed_tokens", **layered(names, theirs), "ln_f": "norm"},
        # The causal mask, which old checkpoints stored.
        "constants": {f"{theirs}attn.bias": "causal", f"{theirs}attn.masked_bias": "masked"},
    }


GPTJ = Family(
    model_type="gptj",
    describe=_describe,
    defaults={
        "vocab_size": 50_400,
        "max_position_embeddings": 2048,
        "hidden_size": 4096,
        "num_hidden_layers": 28,
        "num_attention_heads": 16,
        "rotary_dim": 64,
        "activation_function": "gelu_new",
        "layer_norm_epsilon": 1e-5,
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
            "n_ctx",
            "resid_pdrop",
            "summary_activation",
            "summary_first_dropout",
            "summary_proj_to_labels",
            "summary_type",
            "summary_use_proj",
        }
    ),
    only={"rotary": True, "scale_attn_weights": True},
)
