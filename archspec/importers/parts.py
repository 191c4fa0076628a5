"""The parts that most published families share, read from the usual keys."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from archspec.importers import layers
from archspec.importers.config import Config
from archspec.importers.family import Draft, Fields
from archspec.importers.rope import reach

ACTIVATIONS = {
    "gelu": "gelu",
    "gelu_python": "gelu",
    # One formula under several names: x/2 · (1 + tanh(√(2/π) · (x + 0.044715 x³))).
    "gelu_accurate": "gelu_tanh",
    "gelu_fast": "gelu_tanh",
    "gelu_new": "gelu_tanh",
    "gelu_python_tanh": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "quick_gelu": "quick_gelu",
    "relu": "relu",
    "relu2": "relu2",
    "silu": "silu",
    "swish": "silu",
}


def activation(config: Config, key: str = "hidden_act") -> str:
    """Our name of the activation under `key`; raises `ConfigError` for one we lack."""
    name = config.word(key)
    if name not in ACTIVATIONS:
        config.refuse(key, "archspec does not express that activation")
    return ACTIVATIONS[name]


def attention(
    config: Config,
    *,
    heads: int | None = None,
    kv_heads: int | None = None,
    causal: bool = True,
    qkv_bias: bool = False,
    output_bias: bool = False,
    qk_norm: bool | Fields = False,
    scale: float | None = None,
    **more: Any,
) -> Fields:
    """An attention mixer, with the options that differ from the language's defaults.

    `more` are fields of the language whose default is null or false, in the order to be written.
    """
    # Where heads differ from layer to layer, each layer says how many share a key.
    said = heads is not None
    heads = heads or config.size("num_attention_heads")
    kv_heads = kv_heads or config.size_or("num_key_value_heads", heads)
    head_dim = head_width(config)
    rope, sinks = more.pop("rope", None), more.pop("sinks", False)
    options: list[tuple[str, Any, Any]] = [
        ("kv_heads", kv_heads, None if said else heads),
        ("head_dim", head_dim, None),
        ("causal", causal, True),
        ("window", more.pop("window", None), None),
        ("chunk", more.pop("chunk", None), None),
        ("qkv_bias", qkv_bias, False),
        ("output_bias", output_bias, False),
        ("clip_qkv", more.pop("clip_qkv", None), None),
        ("qk_norm", qk_norm, False),
        ("rope", rope, None),
        ("scale", scale, head_dim**-0.5),
        *((key, value, None) for key, value in more.items() if value is not False),
        ("sinks", sinks, False),
    ]
    out: Fields = {"type": "attention", "heads": heads}
    out |= {key: value for key, value, usual in options if value != usual and value is not None}
    return out


def head_width(config: Config) -> int:
    """`head_dim`, or where it is left out the width that the heads share evenly."""
    if config.value("head_dim") is not None:
        return config.size("head_dim")
    hidden, heads = config.size("hidden_size"), config.size("num_attention_heads")
    if hidden % heads:
        config.fail(f"`hidden_size` {hidden} is not a multiple of {heads} heads")
    return hidden // heads


def feedforward(
    *, intermediate_size: int, activation: str, gated: bool = True, bias: bool = False
) -> Fields:
    """A dense feed-forward."""
    out: Fields = {"type": "dense", "intermediate_size": intermediate_size}
    out |= {"activation": activation, "gated": gated}
    return out | ({"bias": True} if bias else {})


def gated_feedforward(config: Config, *, bias: bool = False) -> Fields:
    """The gated feed-forward of `intermediate_size` and `hidden_act`."""
    width = config.size("intermediate_size")
    return feedforward(intermediate_size=width, activation=activation(config), bias=bias)


def plain_feedforward(config: Config, act: str = "hidden_act", *, bias: bool) -> Fields:
    """Two layers of `intermediate_size` with the activation under `act` between them."""
    width = config.size("intermediate_size")
    return feedforward(
        intermediate_size=width, activation=activation(config, act), gated=False, bias=bias
    )


def rmsnorm(config: Config, eps: str = "rms_norm_eps", *, zero_centered: bool = False) -> Fields:
    """The model's norm, from the key `eps`."""
    out: Fields = {"type": "rmsnorm", "eps": config.number(eps)}
    return out | ({"zero_centered": True} if zero_centered else {})


def layernorm(config: Config, eps: str = "layer_norm_eps", *, bias: bool = True) -> Fields:
    """The model's norm, from the key `eps`."""
    out: Fields = {"type": "layernorm", "eps": config.number(eps)}
    return out | ({} if bias else {"bias": False})


def decoder(
    config: Config,
    order: Sequence[str],
    blocks: dict[str, Fields],
    *,
    norm: Fields,
    embedding: Fields | None = None,
    head: Fields | None = None,
    final_norm: bool = True,
    context_length: int | None = None,
    checkpoint: Fields | None = None,
    encoder: Fields | None = None,
) -> Draft:
    """A causal language model, or its body when that is what was published.

    `head` holds the head's fields besides `tied`, and that one where the file says it otherwise;
    `context_length` is for families whose files have no `max_position_embeddings`, or state there
    what a rotation was stretched to where others state what was before; `encoder` is the stack that
    its layers attend to.
    """
    checkpoint = {"prefix": "model."} if checkpoint is None else checkpoint
    head = {"tied": config.flag("tie_word_embeddings"), **(head or {})}
    if head.get("bias") and head["tied"]:
        # A bias beside a tied weight is the model's own.
        tensors = {**checkpoint.get("tensors", {}), "lm_head.bias": "lm_head_bias"}
        checkpoint = {**checkpoint, "tensors": tensors}
    notes: list[str] = []
    published = published_class(config)
    if published and not published.endswith(_LANGUAGE_MODELS):
        head = None
        if not published.endswith("Model") or "Head" in published:
            notes.append(f"{published} has a head of its own, left out here: this is its body.")
            checkpoint = {**checkpoint, "ignore": [*checkpoint.get("ignore", []), "score"]}
    return Draft(
        vocab_size=config.size("vocab_size"),
        hidden_size=config.size("hidden_size"),
        context_length=context_length or reach(config),
        norm=norm,
        embedding=embedding or {},
        blocks=blocks,
        layers=order,
        head=head,
        encoder=encoder,
        final_norm=final_norm,
        init_std=config.number("initializer_range", 0.02),
        checkpoint=checkpoint,
        notes=notes,
    )


def uniform(config: Config, block: Fields, **options: Any) -> Draft:
    """A language model whose layers are all `block`; `options` are those of `decoder`."""
    return decoder(config, ["block"] * layers.count(config), {"block": block}, **options)


_LANGUAGE_MODELS = ("ForCausalLM", "LMHeadModel", "ForConditionalGeneration")
_CLASS = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,79}")


def published_class(config: Config) -> str:
    """The class that the weights were saved from, or nothing where the file does not say.

    Raises:
        ConfigError: `architectures` is not a list of names.
    """
    if not config.given("architectures"):
        return ""
    names = config.words("architectures")
    if not all(_CLASS.fullmatch(name) for name in names):
        config.refuse("architectures", "expected names of classes")
    models = [name for name in names if name.endswith(_LANGUAGE_MODELS)]
    return next(iter(models or names), "")
