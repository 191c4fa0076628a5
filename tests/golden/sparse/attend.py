# Built by archspec 0.1.0 from sparse.yaml; edit the spec and build again.
"""Softmax attention over queries, keys and values that are ready.

Shapes: B sequences, H query heads that share K key-value heads, T new tokens, S keys up to the last
of them, D numbers in a head. The new tokens stand at positions `start` and on, or in each text at
those from `starts` (B,) on. Where rows hold several texts `opens` (B, T) is where each token's begins.
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
    q: Tensor,
    k: Tensor,
    v: Tensor,
    sinks: Tensor,
    start: int,
    starts: Tensor | None,
    opens: Tensor | None,
    scale: float,
) -> Tensor:
    """Each token sees all before it: (B, H, T, D), (B, K, S, D) twice → (B, H, T, D)."""
    tokens, mask = q.shape[2], None
    if opens is not None or starts is not None or (start > 0 and tokens > 1):
        query = places(start, starts, tokens, q.device)
        mask = visible(query, k.shape[2], opens, None)
    attend = one_token_sink if tokens == 1 else softmax_values_sink
    return attend(q, k, v, sinks, mask, scale)
