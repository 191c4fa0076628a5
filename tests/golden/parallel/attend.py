# Built by archspec 0.1.0 from parallel.yaml; edit the spec and build again.
"""Softmax attention over queries, keys and values that are ready.

Shapes: B sequences, H query heads that share K key-value heads, T new tokens at positions
`start` and on, S keys up to the last of them, D numbers in a head.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def visible(
    queries: range, keys: range, texts: Tensor | None, window: int | None, device: torch.device
) -> Tensor:
    """Which keys each query sees, (T, S) or (B, 1, T, S): of its text, earlier, in the window.

    `texts` (B, S) has one number for all tokens of a text, and another for padding.
    """
    query = torch.arange(queries.start, queries.stop, device=device)[:, None]
    key = torch.arange(keys.start, keys.stop, device=device)
    mask = key <= query
    if window is not None:
        mask = mask & (query - key < window)
    if texts is not None:
        own = texts[:, queries.start : queries.stop, None]
        mask = mask & (own == texts[:, None, keys.start : keys.stop])[:, None]
    return mask


def softmax_values(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, scale: float) -> Tensor:
    """softmax(q kᵀ · scale) v for several tokens; without a mask each sees those before it."""
    return F.scaled_dot_product_attention(
        q, k, v, attn_mask=mask, is_causal=mask is None, scale=scale, enable_gqa=True
    )


def one_token(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, scale: float) -> Tensor:
    """The same for one new token: the heads of a group become the rows of one product."""
    grouped = q.view(q.shape[0], k.shape[1], -1, q.shape[3])  # (B, K, H / K, D)
    out = F.scaled_dot_product_attention(grouped, k, v, attn_mask=mask, scale=scale)
    return out.view(*q.shape[:3], -1)


def attend_causal(
    q: Tensor, k: Tensor, v: Tensor, start: int, texts: Tensor | None, scale: float
) -> Tensor:
    """Each token sees all before it: (B, H, T, D), (B, K, S, D) twice → (B, H, T, D)."""
    tokens, keys = q.shape[2], k.shape[2]
    mask = None
    if texts is not None or (start > 0 and tokens > 1):
        mask = visible(range(start, keys), range(keys), texts, None, q.device)
    attend = one_token if tokens == 1 else softmax_values
    return attend(q, k, v, mask, scale)
