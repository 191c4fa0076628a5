"""Softmax over what a query sees."""

from __future__ import annotations

import torch
from torch import Tensor


def weighed(scores: Tensor, seen: Tensor, v: Tensor, sinks: Tensor | None = None) -> Tensor:
    """Σ_j a_ij v_j with a_ij = e^s_ij / (Σ_{j seen} e^s_ij + e^sink).

    Scores (B, H, T, S), what is seen broadcast to them, values (B, S, H, V), a sink for each head
    where there are any; returns (B, T, H, V).
    """
    top = scores.masked_fill(~seen, float("-inf")).amax(dim=-1, keepdim=True).detach()
    powers = torch.exp(scores - top) * seen  # no larger than one
    total = powers.sum(dim=-1, keepdim=True)
    if sinks is not None:
        total = total + torch.exp(sinks[:, None, None] - top)
    return torch.einsum("bhts,bshv->bthv", powers / total, v)


def causal(tokens: int) -> Tensor:
    """Each token sees itself and what came before it: (T, T)."""
    return torch.tensor([[j <= i for j in range(tokens)] for i in range(tokens)])
