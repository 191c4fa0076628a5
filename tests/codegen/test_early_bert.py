"""The first published BERT files call a norm's weight gamma and its bias beta."""

from __future__ import annotations

from conftest import Builder

from archspec.importers import import_config


def test_gamma_and_beta_are_weight_and_bias(builder: Builder) -> None:
    config = {"model_type": "bert", "num_hidden_layers": 2, "hidden_size": 48, "vocab_size": 64}
    config |= {"num_attention_heads": 4, "intermediate_size": 32}
    package = builder.load(import_config(config, name="bert"))
    own = dict(package.Model().named_parameters())
    theirs = {
        "bert.embeddings.LayerNorm.gamma": "embed_norm.weight",
        "bert.encoder.layer.1.attention.output.LayerNorm.beta": (
            "layers.1.post_attention_layernorm.bias"
        ),
        "bert.encoder.layer.0.output.LayerNorm.gamma": "layers.0.post_feedforward_layernorm.weight",
        "bert.encoder.layer.0.output.LayerNorm.weight": (
            "layers.0.post_feedforward_layernorm.weight"
        ),
    }
    for published, ours in theirs.items():
        parts, _ = package.checkpoint.place({published: own[ours]}, own)
        assert [part.name for part in parts] == [ours]
