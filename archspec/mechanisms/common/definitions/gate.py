"""The gate on what attention gives (arXiv 2505.06708)."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from archspec.mechanisms.common.definitions.activation import activation
from archspec.mechanisms.common.definitions.linear import linear


def gated(fields: Any, weights: dict[str, Tensor], x: Tensor, out: Tensor) -> Tensor:
    """f(W_gate x) ⊙ out, (B, T, H, V): a gate for each number, or for each head."""
    gate = activation(fields.activation, linear(weights, "gate_proj", x))
    if fields.per == "head":
        return out * gate[..., None]
    return out * gate.reshape(out.shape)
