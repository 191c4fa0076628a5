"""Which fields of softmax attention go together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from archspec.spec.base import near_divisor, reject

if TYPE_CHECKING:
    from archspec.mechanisms.mixers.attention.spec import Attention


MAX_SHIFTED = 1024

LOOKING_BACK = (
    "window",
    "chunk",
    "block_sparse",
    "sinks",
    "softcap",
    "alibi",
    "prefix_lm",
    "select",
)
"""What has a meaning only where a token sees what came before it."""

ONE_TEXT = (
    *("window", "chunk", "prefix_lm", "shared_kv", "keys_as_values", "rope", "alibi"),
    *("block_sparse", "relative_bias", "temperature", "sinks", "softcap", "select"),
)
"""What has a meaning only where queries and keys are of one text."""


def check(a: Attention) -> None:
    """Reject fields that do not go together, at the field that is to change."""
    if a.heads % a.key_heads:
        reject(
            "kv_heads",
            f"{a.heads} heads cannot share {a.key_heads} key-value heads evenly",
            f"kv_heads divides heads: {near_divisor(a.heads, a.key_heads)} would",
        )
    if a.rope:
        a.rope.check(a.head_dim, "head_dim")
    if a.keys_as_values and a.value_width != a.head_dim:
        reject("value_head_dim", "values that are keys are as wide as keys")
    if a.qk_norm and a.qk_norm.scope == "width" and a.qk_norm.after_rope:
        reject("qk_norm", "a norm over all heads together comes before the rotation")
    if a.shared_kv and a.keys_as_values:
        reject("keys_as_values", "shared keys and values come from another layer")
    if a.shared_kv and a.v_norm:
        reject("v_norm", "shared keys and values come from another layer, normed there")
    if a.shared_kv and not a.causal:
        reject("shared_kv", "keys are shared where attention looks back: `causal: true`")
    _check_view(a)
    _check_bias(a)
    _check_source(a)


def _check_view(a: Attention) -> None:
    for name in LOOKING_BACK:
        if getattr(a, name) and not a.causal:
            reject(name, f"`{name}` is for attention that looks back: it needs `causal: true`")
    if a.window and a.chunk:
        reject("chunk", "a layer has a window or chunks, not both")
    if a.block_sparse and a.block_sparse.shifted and a.key_heads > MAX_SHIFTED:
        message = f"at most {MAX_SHIFTED:,} key-value heads have stripes of their own"
        reject(("block_sparse", "shifted"), message)
    if a.block_sparse:
        _check_apart(a, "block_sparse", "window", "chunk", "prefix_lm", "select", "relative_bias")
    for name in ("window", "chunk", "sinks", "softcap", "alibi", "prefix_lm"):
        if a.select and getattr(a, name):
            reject("select", f"a selection is from all earlier tokens, without `{name}`")
    if a.select and a.shared_kv:
        reject("select", "a layer that selects has keys and values of its own")
    if a.alibi:
        _check_apart(a, "alibi", "window", "chunk", "sinks", "softcap")
    if a.prefix_lm and a.alibi:
        reject("prefix_lm", "`alibi` looks back, and a prefix is seen both ways")


def _check_bias(a: Attention) -> None:
    bias = a.relative_bias
    if bias:
        others = ("window", "chunk", "sinks", "softcap", "alibi", "prefix_lm", "select")
        _check_apart(a, "relative_bias", *others)
    if bias and bias.buckets is not None:
        fits = bias.fitting(a.causal)
        if bias.buckets not in fits:
            message = f"{bias.buckets} buckets cannot share {bias.max_distance} distances"
            hint = f"an even number from {fits[0]} to {fits[-1]}" if fits else "more distances"
            reject(("relative_bias", "buckets"), message, hint)


def _check_apart(a: Attention, field: str, *others: str) -> None:
    for name in others:
        if getattr(a, name):
            reject(name, f"`{field}` and `{name}` do not go together")


def _check_source(a: Attention) -> None:
    if a.source == "self":
        return
    for name in ONE_TEXT:
        if getattr(a, name):
            reject(name, f"`{name}` is for attention within one text, not across two")
