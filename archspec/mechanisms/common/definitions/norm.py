"""Norms of a vector."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def norm(fields: Any, weights: dict[str, Tensor], name: str, x: Tensor) -> Tensor:
    """The norm that `fields` says over the last dimension of x, with its tensors under `name`.

    RMSNorm (arXiv 1910.07467): x / sqrt(mean(x²) + eps). LayerNorm (arXiv 1607.06450): (x − mean) /
    sqrt(var + eps), var of the whole population. L2: x / sqrt(Σx² + eps). Then · w, or · (1 + w)
    where w is stored as the distance from one, and + b.
    """
    if fields.type == "layernorm":
        x = x - x.mean(dim=-1, keepdim=True)
    if fields.type == "l2norm":
        size = torch.sqrt((x * x).sum(dim=-1, keepdim=True) + fields.eps)
    else:
        size = torch.sqrt((x * x).mean(dim=-1, keepdim=True) + fields.eps)
    y = x / size
    if fields.weight:
        weight = weights[f"{name}.weight"]
        y = y * (1 + weight if fields.zero_centered else weight)
    return y + weights[f"{name}.bias"] if fields.bias else y
