"""What people and other configurations call things that a spec says in other words."""

from __future__ import annotations

from collections.abc import Collection

from archspec.language.synonyms import SYNONYMS

_GROUPED = "type: attention, with fewer `kv_heads` than `heads`"
_LOCAL = "type: attention, with a `window`"

_MECHANISMS = {
    "attn": "type: attention",
    "full_attention": "type: attention",
    "global_attention": "type: attention",
    "gqa": _GROUPED,
    "grouped_query_attention": _GROUPED,
    "local_attention": _LOCAL,
    "mha": "type: attention",
    "mqa": "type: attention, with `kv_heads: 1`",
    "multi_head_attention": "type: attention",
    "multi_query_attention": "type: attention, with `kv_heads: 1`",
    "self_attention": "type: attention",
    "sliding_attention": _LOCAL,
    "sliding_window": _LOCAL,
    "sliding_window_attention": _LOCAL,
    "swa": _LOCAL,
}
_GATED = {"geglu": "gelu", "glu": "sigmoid", "reglu": "relu", "swiglu": "silu"}
_DENSE = {"dense_mlp", "feed_forward", "ffn", "gated_mlp", "mlp"}
_EXPERTS = {"experts", "mixture_of_experts", "sparse_moe"}

_TRAINING = {
    *("attention_dropout", "attn_dropout", "drop_path", "dropout", "embd_dropout"),
    *("hidden_dropout", "resid_dropout", "stochastic_depth"),
    *("aux_loss", "aux_loss_alpha", "aux_loss_coef", "balance_loss", "load_balancing_loss"),
    *("router_aux_loss_coef", "router_jitter_noise", "router_z_loss", "z_loss"),
    *("batch_size", "epochs", "grad_clip", "gradient_checkpointing", "label_smoothing"),
    *("learning_rate", "lr", "max_steps", "optimizer", "seed", "warmup", "weight_decay"),
}
_RUNNING = {"dtype", "precision", "torch_dtype", "use_cache", "attn_implementation", "device"}


def here(word: str, known: Collection[str]) -> str:
    """The one of `known` that `word` is called here, or nothing."""
    return next((called for called in SYNONYMS.get(word, ()) if called in known), "")


def field_hint(word: str, known: Collection[str]) -> str:
    """What to do instead of writing the field `word` where the fields are `known`."""
    word = word.lower()
    if word in _TRAINING:
        return "it is about training, not architecture: leave it out"
    if word in _RUNNING:
        return "it is about running a model, not its architecture: leave it out"
    if word in _GATED and "activation" in known:
        return f"`activation: {_GATED[word]}` and `gated: true`"
    if word in ("gqa", "mqa") and "kv_heads" in known:
        return "`kv_heads`: fewer than `heads` are shared"
    return ""


def type_hint(word: str, known: Collection[str]) -> str:
    """What is meant by the `type` called `word`, where the types are `known`."""
    word = word.lower()
    if "attention" in known:
        return _MECHANISMS.get(word, "")
    if word in _GATED:
        return f"type: dense, with `activation: {_GATED[word]}` and `gated: true`"
    if word in _DENSE:
        return "type: dense"
    return "type: moe" if word in _EXPERTS else ""


def key_hint(word: str, mixers: Collection[str], feedforwards: Collection[str]) -> str:
    """How a block says what `word`, a kind of mechanism, stands for."""
    for part, known in (("mixer", mixers), ("feedforward", feedforwards)):
        said = f"type: {word}" if word in known else type_hint(word, known)
        kind, _, more = said.partition(", ")
        if said:
            return f"did you mean `{part}: {{{kind}, …}}`" + (f", {more}?" if more else "?")
    return ""


def activation_hint(word: str, known: Collection[str]) -> str:
    """What a gated activation is called, where the activations are `known`."""
    plain = _GATED.get(word.lower(), "")
    return f"did you mean {plain}, with `gated: true`?" if plain in known else ""
