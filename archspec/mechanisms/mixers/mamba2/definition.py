"""Mamba-2 written out: arXiv 2405.21060."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from archspec.mechanisms.common.definitions.activation import activation
from archspec.mechanisms.common.definitions.beside import Beside
from archspec.mechanisms.common.definitions.convolution import convolution
from archspec.mechanisms.common.definitions.linear import linear


def definition(fields: Any, weights: dict[str, Tensor], x: Tensor, beside: Beside) -> Tensor:
    """(B, T, C) → (B, T, C)."""
    batch, tokens, _ = x.shape
    inner, written = fields.heads * fields.head_dim, fields.groups * fields.state_dim
    widths = [inner, inner, written, written, fields.heads]
    z, u, b, c, d = torch.split(linear(weights, "in_proj", x), widths, dim=-1)
    scales = fields.part_scales
    if scales is not None:
        z, u, b, c, d = scales.gate * z, scales.input * u, scales.b * b, scales.c * c, scales.dt * d
    mixed = convolution(weights, "conv1d", torch.cat((u, b, c), dim=-1))
    u, b, c = torch.split(activation("silu", mixed), [inner, written, written], dim=-1)
    u = u.reshape(batch, tokens, fields.heads, fields.head_dim)
    b = b.reshape(batch, tokens, fields.groups, fields.state_dim)
    c = c.reshape(batch, tokens, fields.groups, fields.state_dim)
    step = activation("softplus", d + weights["dt_bias"])
    most = float("inf") if fields.dt_max is None else fields.dt_max
    step = step.clamp(fields.dt_min, most)  # (B, T, H)
    y, _ = ssd(step[..., None] * u, -step * torch.exp(weights["A_log"]), b, c, None)
    if fields.skip:
        y = y + weights["D"][:, None] * u
    y, gate = y.flatten(2), activation("silu", z)
    if fields.norm is None:
        y = y * gate
    elif fields.norm.before_gate:
        y = grouped_norm(fields, weights, y) * gate
    else:
        y = grouped_norm(fields, weights, y * gate)
    return linear(weights, "out_proj", y)


def ssd(
    x: Tensor, log_decay: Tensor, b: Tensor, c: Tensor, state: Tensor | None
) -> tuple[Tensor, Tensor]:
    """S_h ← e^(a_h) S_h + x_h B_gᵀ, y_h = S_h C_g, token by token.

    x, which Δ was multiplied into, (B, T, H, P), a (B, T, H), B and C (B, T, G, N): heads side by
    side form a group. Returns y (B, T, H, P) and the last S (B, H, P, N).
    """
    batch, tokens, count, width = x.shape
    if state is None:
        state = x.new_zeros(batch, count, width, b.shape[3])
    group = [h // (count // b.shape[2]) for h in range(count)]
    rows: list[Tensor] = []
    for t in range(tokens):
        kept = torch.exp(log_decay[:, t])[..., None, None]
        state = kept * state + x[:, t, :, :, None] * b[:, t, group][:, :, None, :]
        rows.append(torch.einsum("bhpn,bhn->bhp", state, c[:, t, group]))
    return torch.stack(rows, dim=1), state


def grouped_norm(fields: Any, weights: dict[str, Tensor], y: Tensor) -> Tensor:
    """RMSNorm over the numbers of each group of heads, with a weight for every number."""
    parts = y.reshape(*y.shape[:2], fields.groups, -1)
    size = torch.sqrt((parts * parts).mean(dim=-1, keepdim=True) + fields.norm.eps)
    y = (parts / size).reshape(y.shape)
    if not fields.norm.weight:
        return y
    weight = weights["norm.weight"]
    return y * (1 + weight if fields.norm.zero_centered else weight)
