# Built by archspec 0.1.0 from encoder.yaml; edit the spec and build again.
"""Softmax attention over queries, keys and values that are ready.

Shapes: B sequences, H query heads that share K key-value heads, T new tokens, S keys up to the last
of them, D numbers in a head. The new tokens stand at positions `start` and on, or in each text at
those from `starts` (B,) on.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def attend_bidirectional(
    q: Tensor, k: Tensor, v: Tensor, real: Tensor | None, scale: float
) -> Tensor:
    """Each token sees every real one: (B, H, T, D), (B, K, T, D) twice → (B, H, T, D)."""
    mask = None if real is None else real[:, None, None, :]
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, scale=scale, enable_gqa=True)
