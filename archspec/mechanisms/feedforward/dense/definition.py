"""The dense feed-forward written out: arXiv 1706.03762, section 3.3, and arXiv 2002.05202."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from archspec.mechanisms.common.definitions.activation import activation
from archspec.mechanisms.common.definitions.beside import Beside
from archspec.mechanisms.common.definitions.linear import linear, part


def definition(fields: Any, weights: dict[str, Tensor], x: Tensor, beside: Beside) -> Tensor:
    """(B, T, C) → (B, T, C)."""
    up, gate = linear(weights, "up_proj", x), None
    if fields.gated:
        gate = linear(weights, "gate_proj", x)
        if fields.gate_scale is not None:
            gate = fields.gate_scale * gate
    inside = inner(fields, fields, up, gate, part(weights, "activation."))
    return linear(weights, "down_proj", inside)


def inner(
    fields: Any, limits: Any, up: Tensor, gate: Tensor | None, learned: dict[str, Tensor]
) -> Tensor:
    """f(up), or f(gate) · (up + offset), with what cuts them before and after f as `limits` say."""
    if limits.clamp is not None:
        up = up.clamp(-limits.clamp, limits.clamp)
        gate = None if gate is None else gate.clamp(max=limits.clamp)
    y = activation(fields.activation, up if gate is None else gate, learned)
    if limits.clamp_after is not None:
        y = y.clamp(max=limits.clamp_after)
        up = up.clamp(-limits.clamp_after, limits.clamp_after)
    return y if gate is None else y * (up + fields.up_offset)
