"""Per-layer embeddings written out, after the README."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from archspec.mechanisms.common.definitions.activation import activation
from archspec.mechanisms.common.definitions.beside import Beside
from archspec.mechanisms.common.definitions.linear import linear
from archspec.mechanisms.common.definitions.norm import norm


def definition(fields: Any, weights: dict[str, Tensor], x: Tensor, beside: Beside) -> Tensor:
    """(B, T, C) → (B, T, C): W_up (f(W_gate x) ⊙ p) for the token's vector p of this layer."""
    assert beside.vector is not None, "a vector of each token"
    gate = activation(fields.activation, linear(weights, "gate_proj", x))
    y = linear(weights, "up_proj", gate * beside.vector)
    return y if fields.norm is None else norm(fields.norm, weights, "norm", y)
