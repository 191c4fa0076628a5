# Built by archspec 0.1.0 from hybrid.yaml; edit the spec and build again.
"""Softmax attention over queries, keys and values that are ready.

Shapes: B sequences, H query heads that share K key-value heads, T new tokens, S keys up to the last
of them, D numbers in a head. The new tokens stand at positions `start` and on, or in each text at
those from `starts` (B,) on.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .step import places


def visible(query: Tensor, keys: int, opens: Tensor | None, window: int | None) -> Tensor:
    """Which keys each query sees, (1 or B, 1, T, S): earlier ones, of its text, in the window.

    `query` (1 or B, T) is where queries stand among the keys, and `opens` (B, T or 1) where the
    text of each one begins.
    """
    key, query = torch.arange(keys, device=query.device), query[..., None]
    mask = key <= query
    if window is not None:
        mask = mask & (key > query - window)
    if opens is not None:
        mask = mask & (key >= opens[..., None])
    return mask[:, None]


def pieces(tokens: int, size: int) -> list[tuple[int, int]]:
    """Where blocks of `size` tokens begin and end.

    A graph has one block of all, since it could not be of any length with more.
    """
    if torch.compiler.is_compiling():
        return [(0, tokens)]
    return [(first, min(first + size, tokens)) for first in range(0, tokens, size)]


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
    q: Tensor, k: Tensor, v: Tensor, start: int, starts: Tensor | None, scale: float
) -> Tensor:
    """Each token sees all before it: (B, H, T, D), (B, K, S, D) twice → (B, H, T, D)."""
    tokens, mask = q.shape[2], None
    if starts is not None or (start > 0 and tokens > 1):
        query = places(start, starts, tokens, q.device)
        mask = visible(query, k.shape[2], None, None)
    attend = one_token if tokens == 1 else softmax_values
    return attend(q, k, v, mask, scale)
