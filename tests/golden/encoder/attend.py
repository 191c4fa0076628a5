# Built by archspec 0.1.0 from encoder.yaml; edit the spec and build again.
"""Softmax attention over queries, keys and values that are ready.

`definition` says what that is, and the other functions compute it as fast as may be, each for what a
query sees: in kernels where these run, and else with PyTorch's operators.

Shapes: B sequences, H query heads that share K key-value heads, T new tokens, S keys up to the last
of them, D numbers in a head. A step says where the new tokens stand.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from .kernels import use_kernels
from .step import Step


def definition(q: Tensor, k: Tensor, v: Tensor, scale: float) -> Tensor:
    """Attention: softmax((q · k) · scale) over the keys that a query may see, times their values.

    Written out in float64 for a text from its start, to be read and to be compared with.
    """
    group = q.shape[1] // k.shape[1]  # query heads that share a key-value head
    q, k, v = q.double(), k.double(), v.double()
    scores = q @ k.repeat_interleave(group, dim=1).mT * scale  # (B, H, T, S)
    weights = scores.softmax(dim=-1)
    return weights @ v.repeat_interleave(group, dim=1)


# The kinds of attention that have kernels, with the widths of queries and values.
MADE = (("bidirectional", 16, 16),)


def takes(kind: str, q: Tensor, k: Tensor, v: Tensor) -> bool:
    """Whether kernels run here, and there are some for that kind with heads so wide."""
    return (kind, q.shape[3], v.shape[3]) in MADE and use_kernels(q, k, v)


def attend_bidirectional(q: Tensor, k: Tensor, v: Tensor, step: Step, scale: float) -> Tensor:
    """Each token sees every real one: (B, H, T, D), (B, K, T, D) twice → (B, H, T, D)."""
    if takes("bidirectional", q, k, v):
        from .kernels import attention_operators as kernels

        return kernels.bidirectional(q, k, v, step.bounds, scale)
    mask = None if step.real is None else step.real[:, None, None, :]
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, scale=scale, enable_gqa=True)
