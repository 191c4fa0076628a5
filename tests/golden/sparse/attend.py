# Built by archspec 0.1.0 from sparse.yaml; edit the spec and build again.
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


def softmax_values_sink(
    q: Tensor, k: Tensor, v: Tensor, sinks: Tensor, mask: Tensor | None, scale: float
) -> Tensor:
    """softmax(q kᵀ · scale, sinks) v for several tokens; the sinks have no value.

    A key in front of all others stands for the sink. One more dimension gives it its score: the
    query holds sink / scale there, that key a one and every other key nothing.
    """
    logit = (sinks / scale)[None, :, None, None].expand(*q.shape[:3], 1)
    q = torch.cat((q, logit.to(q.dtype)), dim=-1)
    sink_key = F.pad(k.new_zeros(*k.shape[:2], 1, k.shape[3]), (0, 1), value=1.0)
    k = torch.cat((sink_key, F.pad(k, (0, 1))), dim=2)
    v = F.pad(v, (0, 1, 1, 0))
    if mask is not None:
        seen = F.pad(mask, (1, 0), value=True)
        out = F.scaled_dot_product_attention(q, k, v, attn_mask=seen, scale=scale, enable_gqa=True)
        return out[..., :-1]
    # With a query of its own in front, the sink is the first token of a causal text.
    q = F.pad(q, (0, 0, 1, 0))
    out = F.scaled_dot_product_attention(q, k, v, is_causal=True, scale=scale, enable_gqa=True)
    return out[:, :, 1:, :-1]


def one_token_sink(
    q: Tensor, k: Tensor, v: Tensor, sinks: Tensor, mask: Tensor | None, scale: float
) -> Tensor:
    """The same for one new token: the heads of a group become the rows of one product."""
    grouped = q.view(q.shape[0], k.shape[1], -1, q.shape[3])  # (B, K, H / K, D)
    scores = (grouped @ k.mT) * scale  # (B, K, H / K, S)
    if mask is not None:
        scores = scores.masked_fill(~mask, float("-inf"))
    sink = sinks.to(scores.dtype).view(1, k.shape[1], -1, 1).expand(*scores.shape[:3], 1)
    weights = torch.cat((scores, sink), dim=-1).softmax(dim=-1)[..., :-1]
    return (weights @ v).view(*q.shape[:3], -1)


def attend_causal_sink(
    q: Tensor, k: Tensor, v: Tensor, sinks: Tensor, start: int, texts: Tensor | None, scale: float
) -> Tensor:
    """Each token sees all before it: (B, H, T, D), (B, K, S, D) twice → (B, H, T, D)."""
    tokens, keys = q.shape[2], k.shape[2]
    mask = None
    if texts is not None or (start > 0 and tokens > 1):
        mask = visible(range(start, keys), range(keys), texts, None, q.device)
    attend = one_token_sink if tokens == 1 else softmax_values_sink
    return attend(q, k, v, sinks, mask, scale)
