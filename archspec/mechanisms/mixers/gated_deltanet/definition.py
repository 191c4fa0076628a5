"""Gated DeltaNet written out: arXiv 2412.06464, and arXiv 2406.06484 without decay."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from archspec.mechanisms.common.definitions.activation import activation
from archspec.mechanisms.common.definitions.beside import Beside
from archspec.mechanisms.common.definitions.delta_rule import delta_layer
from archspec.mechanisms.common.definitions.linear import linear


def definition(fields: Any, weights: dict[str, Tensor], x: Tensor, beside: Beside) -> Tensor:
    """(B, T, C) → (B, T, C); g = −e^A softplus(w_a · x + dt), one number for a value head."""
    decay = None
    if fields.decay == "head":
        step = activation("softplus", linear(weights, "a_proj", x) + weights["dt_bias"])
        decay = (-torch.exp(weights["A_log"]) * step)[..., None]  # (B, T, H, 1)
    groups = fields.value_heads // fields.key_heads
    return delta_layer(fields, weights, x, decay, groups)
