"""StarCoder2 (arXiv 2402.19173): LayerNorm and biases with rotary positions and windows."""

from __future__ import annotations

from archspec.importers import layers
from archspec.importers.checkpoint import layered
from archspec.importers.config import Config
from archspec.importers.family import Draft, Family
from archspec.importers.parts import attention, layernorm, plain_feedforward, uniform
from archspec.importers.rope import rope


def _describe(config: Config) -> Draft:
    bias = config.flag("use_bias")
    mixer = attention(
        config,
        window=layers.window(config),
        qkv_bias=bias,
        output_bias=bias,
        rope=rope(config),
    )
    block = {"mixer": mixer, "feedforward": plain_feedforward(config, bias=bias)}
    names = {"mlp.c_fc": "mlp.up_proj", "mlp.c_proj": "mlp.down_proj"}
    checkpoint = {"prefix": "model.", "tensors": layered(names)}
    norm = layernorm(config, "norm_epsilon")
    return uniform(config, block, norm=norm, checkpoint=checkpoint)


STARCODER2 = Family(
    model_type="starcoder2",
    describe=_describe,
    defaults={
        "vocab_size": 49_152,
        "hidden_size": 3072,
        "intermediate_size": 12_288,
        "num_hidden_layers": 30,
        "num_attention_heads": 24,
        "num_key_value_heads": 2,
        "hidden_act": "gelu_pytorch_tanh",
        "max_position_embeddings": 4096,
        "initializer_range": 0.018042,
        "norm_epsilon": 1e-5,
        "use_bias": True,
        "tie_word_embeddings": True,
    },
    ignored=frozenset({"embedding_dropout", "residual_dropout"}),
    only={"mlp_type": "default", "norm_type": "layer_norm"},
)
