"""nanochat: norms without weights, rotation the other way round, squared ReLU."""

from __future__ import annotations

from archspec.importers.checkpoint import layered
from archspec.importers.config import Config
from archspec.importers.families.gemma2 import cap
from archspec.importers.family import Draft, Family
from archspec.importers.parts import attention, plain_feedforward, rmsnorm, uniform
from archspec.importers.rope import rope


def _describe(config: Config) -> Draft:
    bias = config.flag("attention_bias")
    mixer = attention(
        config,
        qkv_bias=bias,
        output_bias=bias,
        qk_norm={"after_rope": True},
        rope=rope(config, reversed=True),
    )
    names = {"mlp.fc1": "mlp.up_proj", "mlp.fc2": "mlp.down_proj"}
    final = cap(config, "final_logit_softcapping")
    return uniform(
        config,
        {"mixer": mixer, "feedforward": plain_feedforward(config, bias=False)},
        norm={**rmsnorm(config), "weight": False},
        embedding={"norm": True},
        head={"softcap": final} if final else None,
        checkpoint={"prefix": "model.", "tensors": layered(names)},
    )


NANOCHAT = Family(
    model_type="nanochat",
    describe=_describe,
    defaults={
        "vocab_size": 50_304,
        "hidden_size": 768,
        "intermediate_size": 8192,
        "num_hidden_layers": 12,
        "num_attention_heads": 6,
        "max_position_embeddings": 2048,
        "hidden_act": "relu2",
        "rms_norm_eps": 1e-6,
        "final_logit_softcapping": 15.0,
    },
)
