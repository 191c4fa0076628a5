# Built by archspec 0.1.0 from block-sparse.yaml; edit the spec and build again.
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


def far_keys(
    border: int, size: int, first: int, stride: int | None, shift: int, heads: Tensor
) -> tuple[Tensor, Tensor]:
    """The keys that are seen from block `border` on though they lie before it: (heads, N).

    Where a head has a stripe less than others there are keys that it does not see: which it does
    is the other tensor.
    """
    stripes = 0 if stride is None else -(-max(border - first, 0) // stride)
    number = torch.arange(min(border, first) + stripes, device=heads.device)
    block = number.expand(len(heads), -1)
    if stride is not None:
        stripe = (-1 - shift * heads - first) % stride + first  # the first behind those
        block = torch.where(number < first, number, stripe + (number - first) * stride)
    key = block.clamp(max=border - 1)[..., None] * size + torch.arange(size, device=heads.device)
    return key.flatten(1), (block < border).repeat_interleave(size, dim=1)


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


def attend_block_sparse(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    start: int,
    starts: Tensor | None,
    size: int,
    local: int,
    first: int,
    stride: int | None,
    shift: int,
    scale: float,
) -> Tensor:
    """Each token sees some blocks: (B, H, T, D), (B, K, S, D) twice → (B, H, T, D).

    These are its last `local` blocks of `size` tokens, the `first` of the text, and one of every
    `stride`: each key-value head has these `shift` blocks before the last head has them. Queries go
    a block at a time and meet what they see and no more: the cost grows with that.
    """
    tokens, end = q.shape[2], start + q.shape[2]
    heads = torch.arange(k.shape[1], device=q.device)[:, None]  # (K, 1)
    group = q.shape[1] // k.shape[1]
    attend = one_token if tokens == 1 else softmax_values
    if starts is not None or torch.compiler.is_compiling():
        place = places(start, starts, tokens, q.device)
        query, key = place[:, None, :, None] // size, torch.arange(end, device=q.device) // size
        mask = (query - key < local) | (key < first)
        if stride is not None:
            each = heads[:, :, None] if shift else heads[:1, :, None]
            mask = mask | ((key + 1 + shift * each) % stride == 0)  # (1 or B, 1 or K, T, S)
        mask = mask & visible(place, end, None, None)
        if shift and tokens > 1:
            mask = mask.repeat_interleave(group, dim=1)
        return attend(q, k, v, mask, scale)
    blocks: list[Tensor] = []
    begin = start
    while begin < end:  # first as many as see all before them, then a block at a time
        opens = begin
        begin = min(end, max(local * size, begin - begin % size + size))
        border = max((begin - 1) // size - local + 1, 0)  # the first local block
        near = border * size
        k_seen, v_seen, mask = k[:, :, near:begin], v[:, :, near:begin], None
        if border or opens > near:
            query = torch.arange(opens - near, begin - near, device=q.device)
            mask = visible(query[None], begin - near, None, None)
        if border and mask is not None:  # with what is seen in front of the local blocks
            key, seen = far_keys(border, size, first, stride, shift, heads if shift else heads[:1])
            k_seen = torch.cat((k[:, heads, key], k_seen), dim=2)
            v_seen = torch.cat((v[:, heads, key], v_seen), dim=2)
            far = seen[None, :, None].expand(-1, -1, begin - opens, -1)
            mask = torch.cat((far, mask.expand(1, len(far[0]), -1, -1)), dim=3)
            if shift and tokens > 1:
                mask = mask.repeat_interleave(group, dim=1)
        rows = slice(opens - start, begin - start)
        blocks.append(attend(q[:, :, rows], k_seen, v_seen, mask, scale))
    out = blocks[0] if len(blocks) == 1 else torch.cat(blocks, dim=2)
    return out
