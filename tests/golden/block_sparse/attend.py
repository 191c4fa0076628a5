# Built by archspec 0.1.0 from block-sparse.yaml; edit the spec and build again.
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
    q: Tensor, k: Tensor, v: Tensor, start: int, texts: Tensor | None, scale: float
) -> Tensor:
    """Each token sees all before it: (B, H, T, D), (B, K, S, D) twice → (B, H, T, D)."""
    tokens, keys = q.shape[2], k.shape[2]
    mask = None
    if texts is not None or (start > 0 and tokens > 1):
        mask = visible(range(start, keys), range(keys), texts, None, q.device)
    attend = one_token if tokens == 1 else softmax_values
    return attend(q, k, v, mask, scale)


def attend_block_sparse(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    start: int,
    padding: Tensor | None,
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
    if padding is not None:
        block = (padding.cumsum(dim=1) - 1).clamp(min=0) // size  # counted in real tokens
        query, key = block[:, None, start:, None], block[:, None, None]
        mask = (query - key < local) | (key < first)
        if stride is not None:
            last = (key + 1 + shift * heads[:, :, None]) % stride == 0
            mask = mask | last  # (B, K, T, S)
        mask = mask & visible(range(start, end), range(end), padding, None, q.device)
        if shift and tokens > 1:
            mask = mask.repeat_interleave(group, dim=1)
        return attend(q, k, v, mask, scale)
    blocks: list[Tensor] = []
    begin = start
    while begin < end:  # first as many as see all before them, then a block at a time
        queries = range(begin, min(end, max(local * size, begin - begin % size + size)))
        begin = queries.stop
        border = max((begin - 1) // size - local + 1, 0)  # the first local block
        keys = range(border * size, begin)
        k_seen, v_seen, mask = k[:, :, keys.start : begin], v[:, :, keys.start : begin], None
        if border or len(keys) > len(queries):
            mask = visible(queries, keys, None, None, q.device)
        if border and mask is not None:  # with what is seen in front of the local blocks
            key, seen = far_keys(border, size, first, stride, shift, heads if shift else heads[:1])
            k_seen = torch.cat((k[:, heads, key], k_seen), dim=2)
            v_seen = torch.cat((v[:, heads, key], v_seen), dim=2)
            far = seen[None, :, None].expand(-1, -1, len(queries), -1)
            mask = torch.cat((far, mask.expand(1, len(far[0]), -1, -1)), dim=3)
            if shift and tokens > 1:
                mask = mask.repeat_interleave(group, dim=1)
        rows = slice(queries.start - start, begin - start)
        blocks.append(attend(q[:, :, rows], k_seen, v_seen, mask, scale))
    out = blocks[0] if len(blocks) == 1 else torch.cat(blocks, dim=2)
    return out
