"""Mamba written out: arXiv 2312.00752, section 3."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from archspec.mechanisms.common.definitions.activation import activation
from archspec.mechanisms.common.definitions.beside import Beside
from archspec.mechanisms.common.definitions.convolution import convolution
from archspec.mechanisms.common.definitions.linear import linear
from archspec.mechanisms.common.definitions.norm import norm


def definition(fields: Any, weights: dict[str, Tensor], x: Tensor, beside: Beside) -> Tensor:
    """(B, T, C) → (B, T, C)."""
    inner, states, rank = fields.inner_dim, fields.state_dim, fields.dt_rank
    both = linear(weights, "in_proj", x)
    u, z = both[..., :inner], both[..., inner:]
    u = activation("silu", convolution(weights, "conv1d", u))
    three = linear(weights, "x_proj", u)
    delta, b, c = three[..., :rank], three[..., rank : rank + states], three[..., rank + states :]
    if fields.inner_norm is not None:
        delta = norm(fields.inner_norm, weights, "dt_norm", delta)
        b = norm(fields.inner_norm, weights, "b_norm", b)
        c = norm(fields.inner_norm, weights, "c_norm", c)
    step = activation("softplus", linear(weights, "dt_proj", delta))
    y, _ = selective_scan(step * u, step, -torch.exp(weights["A_log"]), b, c, None)
    if fields.skip:
        y = y + weights["D"] * u
    return linear(weights, "out_proj", y * activation("silu", z))


def selective_scan(
    x: Tensor, step: Tensor, rate: Tensor, b: Tensor, c: Tensor, state: Tensor | None
) -> tuple[Tensor, Tensor]:
    """s[d, n] ← e^(Δ[d] · rate[d, n]) s[d, n] + x[d] B[n], y[d] = Σ_n s[d, n] C[n], token by token.

    x, which Δ was multiplied into, and Δ (B, T, D), rate (D, N), B and C (B, T, N). Returns y
    (B, T, D) and the last s (B, D, N).
    """
    batch, tokens, channels = x.shape
    if state is None:
        state = x.new_zeros(batch, channels, b.shape[2])
    rows: list[Tensor] = []
    for t in range(tokens):
        kept = torch.exp(step[:, t, :, None] * rate)
        state = kept * state + x[:, t, :, None] * b[:, t, None, :]
        rows.append((state * c[:, t, None, :]).sum(dim=-1))
    return torch.stack(rows, dim=1), state
