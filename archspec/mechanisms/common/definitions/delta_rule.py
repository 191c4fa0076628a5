"""The delta rule, and the layer around it that its mechanisms share."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from archspec.mechanisms.common.definitions.activation import activation
from archspec.mechanisms.common.definitions.convolution import convolution
from archspec.mechanisms.common.definitions.linear import heads, linear
from archspec.mechanisms.common.definitions.norm import norm


def delta_rule(
    q: Tensor, k: Tensor, v: Tensor, log_decay: Tensor | None, beta: Tensor, state: Tensor | None
) -> tuple[Tensor, Tensor]:
    """S ← e^g S, S ← S + k β (v − kᵀ S), y = qᵀ S, token by token (arXiv 2406.06484, 2412.06464).

    q and k (B, T, H, K), v (B, T, H, V), g (B, T, H, 1) or, with a decay for each channel of the
    key, (B, T, H, K), β (B, T, H, 1). Returns y (B, T, H, V) and the last S (B, H, K, V).
    """
    batch, tokens, count, width = k.shape
    if state is None:
        state = v.new_zeros(batch, count, width, v.shape[3])
    rows: list[Tensor] = []
    for t in range(tokens):
        if log_decay is not None:
            state = torch.exp(log_decay[:, t])[..., None] * state
        held = torch.einsum("bhk,bhkv->bhv", k[:, t], state)
        wrong = beta[:, t] * (v[:, t] - held)
        state = state + torch.einsum("bhk,bhv->bhkv", k[:, t], wrong)
        rows.append(torch.einsum("bhk,bhkv->bhv", q[:, t], state))
    return torch.stack(rows, dim=1), state


def undecayed_delta_rule(
    q: Tensor, k: Tensor, v: Tensor, beta: Tensor, state: Tensor | None
) -> tuple[Tensor, Tensor]:
    """The rule where nothing decays."""
    return delta_rule(q, k, v, None, beta, state)


def delta_layer(
    fields: Any, weights: dict[str, Tensor], x: Tensor, log_decay: Tensor | None, groups: int
) -> Tensor:
    """What stands around the rule: out = W_o concat_h(N(y) · f(G(x))).

    Each query and key head serves `groups` value heads in turn.
    """

    def stream(name: str, width: int) -> Tensor:
        y = linear(weights, f"{name}_proj", x)
        if fields.conv is not None:
            y = convolution(weights, f"{name}_conv1d", y)
        return heads(activation("silu", y), width)

    q, k = stream("q", fields.key_head_dim), stream("k", fields.key_head_dim)
    v = stream("v", fields.value_head_dim)
    if fields.l2_norm:
        q, k = unit(q), unit(k)
    q = q * fields.key_head_dim**-0.5
    value_heads = range(v.shape[2])
    q = torch.stack([q[:, :, h // groups] for h in value_heads], dim=2)
    k = torch.stack([k[:, :, h // groups] for h in value_heads], dim=2)
    beta = activation("sigmoid", linear(weights, "b_proj", x))[..., None]
    if fields.allow_neg_eigval:
        beta = 2 * beta
    y, _ = delta_rule(q, k, v, log_decay, beta, None)
    if fields.output_norm is not None:
        y = norm(fields.output_norm, weights, "o_norm", y)
    y = y.flatten(2)
    if fields.gate is not None:
        if fields.gate.rank is None:
            gate = linear(weights, "g_proj", x)
        else:
            gate = linear(weights, "g_b_proj", linear(weights, "g_a_proj", x))
        y = y * activation(fields.gate.activation, gate)
    return linear(weights, "o_proj", y)


def unit(x: Tensor) -> Tensor:
    """A vector over its length, with the 1e-6 below the root that published code has."""
    return x / torch.sqrt((x * x).sum(dim=-1, keepdim=True) + 1e-6)
