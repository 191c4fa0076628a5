"""Linear attention written out: arXiv 2006.16236, 2405.17383, 2307.08621, 2312.06635."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from archspec.mechanisms.common.definitions.activation import activation
from archspec.mechanisms.common.definitions.beside import Beside
from archspec.mechanisms.common.definitions.linear import heads, linear
from archspec.mechanisms.common.definitions.norm import norm
from archspec.mechanisms.common.definitions.rotary import rotate


def definition(fields: Any, weights: dict[str, Tensor], x: Tensor, beside: Beside) -> Tensor:
    """(B, T, C) → (B, T, C), the first token at position 0."""
    key_dim, value_dim = fields.key_head_dim, fields.value_head_dim or fields.key_head_dim
    q, k, v = (linear(weights, f"{name}_proj", x) for name in "qkv")
    if fields.activation is not None:
        q, k, v = (activation(fields.activation, y) for y in (q, k, v))

    def queries_or_keys(y: Tensor, name: str) -> Tensor:
        scope = fields.qk_norm and fields.qk_norm.scope
        if scope == "width":
            y = norm(fields.qk_norm, weights, name, y)
        y = heads(y, key_dim)
        if scope in ("head", "each_head") and not fields.qk_norm.after_rope:
            y = norm(fields.qk_norm, weights, name, y)
        if fields.rope is not None:
            y = rotate(fields.rope, y)
        if scope in ("head", "each_head") and fields.qk_norm.after_rope:
            y = norm(fields.qk_norm, weights, name, y)
        return y

    q, k = queries_or_keys(q, "q_norm"), queries_or_keys(k, "k_norm")
    scale = key_dim**-0.5 if fields.scale is None else fields.scale
    decay = log_decay(fields, weights, x, beside.layer)
    y, _ = fading_sums(scale * q, k, heads(v, value_dim), decay, None)
    y = normed(fields.output_norm, weights, y)
    if fields.gate is not None:
        if fields.gate.rank is None:
            gate = linear(weights, "gate_proj", x)
        else:
            gate = linear(weights, "gate_up", linear(weights, "gate_down", x))
        y = y * activation(fields.gate.activation, gate)
    return linear(weights, "o_proj", y)


def fading_sums(
    q: Tensor, k: Tensor, v: Tensor, log_decay: Tensor, state: Tensor | None
) -> tuple[Tensor, Tensor]:
    """S_t = a_t · S_{t−1} + k_tᵀ v_t and o_t = q_t S_t, token by token.

    q and k (B, T, H, D), v (B, T, H, E), log a (B or 1, T or 1, H, D or 1). Returns o (B, T, H, E)
    and the last S (B, H, D, E).
    """
    batch, tokens, count, width = k.shape
    if state is None:
        state = v.new_zeros(batch, count, width, v.shape[3])
    kept = torch.exp(log_decay).expand(batch, tokens, count, width)
    rows: list[Tensor] = []
    for t in range(tokens):
        state = kept[:, t, :, :, None] * state + k[:, t, :, :, None] * v[:, t, :, None, :]
        rows.append(torch.einsum("bhd,bhde->bhe", q[:, t], state))
    return torch.stack(rows, dim=1), state


def attend_fading(
    q: Tensor, k: Tensor, v: Tensor, decay: Tensor, real: Tensor | None, state: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Sums that fade by head: log a is (B or 1, H, T or 1)."""
    return sums_by_head(q, k, v, decay[..., None], real, state)


def attend_fading_channels(
    q: Tensor, k: Tensor, v: Tensor, decay: Tensor, real: Tensor | None, state: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Sums that fade by channel: log a is (B, H, T, D)."""
    return sums_by_head(q, k, v, decay, real, state)


def attend_lasting(
    q: Tensor, k: Tensor, v: Tensor, real: Tensor | None, state: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Sums that never fade."""
    return sums_by_head(q, k, v, q.new_zeros(1, q.shape[1], 1, 1), real, state)


def sums_by_head(
    q: Tensor, k: Tensor, v: Tensor, decay: Tensor, real: Tensor | None, state: Tensor | None
) -> tuple[Tensor, Tensor]:
    """The same of tensors by head, (B, H, T, D); where `real` (B, T) is False nothing happens."""
    if real is not None:
        there = real[:, None, :, None].to(k.dtype)
        k, decay = k * there, decay * there
    q, k, v, decay = q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2), decay.transpose(1, 2)
    out, last = fading_sums(q, k, v, decay, state)
    return out.transpose(1, 2), last


def log_decay(fields: Any, weights: dict[str, Tensor], x: Tensor, layer: int) -> Tensor:
    """The logarithm of a_t, of each head or of each channel of its keys."""
    decay, count = fields.decay, fields.heads
    if decay is None:
        return x.new_zeros(1, 1, count, 1)
    if decay.type == "slopes":
        factor = decay.factor - decay.fall * layer
        slopes = [2 ** (-decay.max_exponent * (h + 1) / count) for h in range(count)]
        return x.new_tensor([-factor * slope for slope in slopes])[None, None, :, None]
    if decay.type == "retention":
        kept = [1 - 2 ** (-decay.first - h) for h in range(count)]
        return x.new_tensor([math.log(share) for share in kept])[None, None, :, None]
    if decay.rank is None:
        raw = linear(weights, "decay_proj", x)
    else:
        raw = linear(weights, "decay_up", linear(weights, "decay_down", x))
    raw = torch.log(activation("sigmoid", raw)) / decay.divisor
    return raw[..., None] if decay.per == "head" else heads(raw, fields.key_head_dim)


def normed(fields: Any, weights: dict[str, Tensor], y: Tensor) -> Tensor:
    """What is read from the states, (B, T, H, E) → (B, T, H · E), normed as `scope` says."""
    if fields is None:
        return y.flatten(2)
    if fields.scope == "width":
        y = y.flatten(2)
        if fields.groups is not None:
            y = y.reshape(*y.shape[:2], fields.groups, -1)
    y = norm(fields, weights, "o_norm", y)
    return y.reshape(*y.shape[:2], -1)
