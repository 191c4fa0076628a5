"""The leaky integrator written out, from the equations of its README."""

from __future__ import annotations

from typing import Any

import torch
from archspec.mechanisms.common.definitions.activation import activation
from archspec.mechanisms.common.definitions.beside import Beside
from archspec.mechanisms.common.definitions.linear import linear
from torch import Tensor


def definition(fields: Any, weights: dict[str, Tensor], x: Tensor, beside: Beside) -> Tensor:
    """(B, T, C) → (B, T, C)."""
    u = linear(weights, "in_proj", x)
    kept = activation("sigmoid", weights["pace"])
    h, rows = u[:, 0] * 0, list[Tensor]()
    for t in range(x.shape[1]):
        h = kept * h + (1 - kept) * u[:, t]
        rows.append(h)
    return linear(weights, "out_proj", torch.stack(rows, dim=1))
