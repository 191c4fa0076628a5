# Built by archspec 0.1.0 from chunked.yaml; edit the spec and build again.
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


def attend_chunked(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    start: int,
    starts: Tensor | None,
    opens: Tensor | None,
    chunk: int,
    scale: float,
) -> Tensor:
    """Each token sees its chunk up to itself: (B, H, T, D), (B, K, S, D) twice → (B, H, T, D).

    Each chunk is computed by itself, so the cost grows with T · chunk.
    """
    tokens, keys, mask = q.shape[2], k.shape[2], None
    if tokens == 1:  # the first slots of the rolling cache are those of this chunk
        if starts is None:
            k, v = k[:, :, : start % chunk + 1], v[:, :, : start % chunk + 1]
        else:
            mask = visible((starts % chunk)[:, None], keys, None, None)
        return one_token(q, k, v, mask, scale)
    before = keys - tokens  # tokens that were read before
    if opens is not None or starts is not None or torch.compiler.is_compiling():
        place = places(start - before, None if starts is None else starts - before, keys, q.device)
        if opens is not None:
            place = place - opens
        number = place // chunk  # of the chunk of each key
        mask = visible(torch.arange(before, keys, device=q.device)[None], keys, opens, None)
        mask = mask & (number[:, None, before:, None] == number[:, None, None])
        return softmax_values(q, k, v, mask, scale)
    blocks: list[Tensor] = []
    first = 0
    while first < tokens:
        begin = before + first - (start + first) % chunk
        last = min(tokens, first + chunk - (start + first) % chunk)
        rows, columns = slice(first, last), slice(begin, before + last)
        mask = None
        if begin < before + first:
            query = torch.arange(before + first - begin, before + last - begin, device=q.device)
            mask = visible(query[None], before + last - begin, None, None)
        block = softmax_values(q[:, :, rows], k[:, :, columns], v[:, :, columns], mask, scale)
        blocks.append(block)
        first = last
    return blocks[0] if len(blocks) == 1 else torch.cat(blocks, dim=2)


def attend_causal(
    q: Tensor,
    k: Tensor,
    v: Tensor,
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
    attend = one_token if tokens == 1 else softmax_values
    return attend(q, k, v, mask, scale)
