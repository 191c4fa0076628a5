# Built by archspec 0.1.0 from sparse.yaml; edit the spec and build again.
"""Which experts a token goes to: N tokens, E experts, k of each token."""

from __future__ import annotations

import torch
from torch import Tensor

from .kernels import use_kernels


def route(logits: Tensor, top_k: int) -> tuple[Tensor, Tensor]:
    """Weights and numbers of the experts of each token: (N, E) → twice (N, k)."""
    if use_kernels(logits):
        from .kernels import router as kernels

        return kernels.route(logits, top_k)
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    top, chosen = logits.topk(top_k, dim=-1)  # (N, k)
    weights = top.softmax(dim=-1)
    return weights, chosen
