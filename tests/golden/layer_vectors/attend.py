# Built by archspec 0.1.0 from layer-vectors.yaml; edit the spec and build again.
"""Softmax attention over queries, keys and values that are ready.

`definition` says what that is, and the other functions compute it as fast as may be, each for what a
query sees: in kernels where these run, and else with PyTorch's operators.

Shapes: B sequences, H query heads that share K key-value heads, T new tokens, S keys up to the last
of them, D numbers in a head. A step says where the new tokens stand.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .kernels import use_kernels
from .step import Step, places


def definition(q: Tensor, k: Tensor, v: Tensor, scale: float, window: int | None = None) -> Tensor:
    """Attention: softmax((q · k) · scale) over the keys that a query may see, times their values.

    Written out in float64 for a text from its start, to be read and to be compared with.
    """
    group = q.shape[1] // k.shape[1]  # query heads that share a key-value head
    q, k, v = q.double(), k.double(), v.double()
    scores = q @ k.repeat_interleave(group, dim=1).mT * scale  # (B, H, T, S)
    index = torch.arange(q.shape[2], device=q.device)
    distance = index[:, None] - index
    hidden = distance < 0
    if window is not None:
        hidden = hidden | (distance >= window)
    scores = scores.masked_fill(hidden, float("-inf"))
    weights = scores.softmax(dim=-1)
    return weights @ v.repeat_interleave(group, dim=1)


# The kinds of attention that have kernels, with the widths of queries and values.
MADE = (
    ("sliding", 32, 32),
    ("causal", 64, 64),
)


def takes(kind: str, q: Tensor, k: Tensor, v: Tensor) -> bool:
    """Whether kernels run here, and there are some for that kind with heads so wide."""
    return (kind, q.shape[3], v.shape[3]) in MADE and use_kernels(q, k, v)


def visible(
    query: Tensor, keys: int, opens: Tensor | None = None, window: int | None = None
) -> Tensor:
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


def softmax_values(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, scale: float) -> Tensor:
    """softmax(q kᵀ · scale) v for several tokens; without a mask each sees those before it."""
    return F.scaled_dot_product_attention(
        q, k, v, attn_mask=mask, is_causal=mask is None, scale=scale, enable_gqa=True
    )


def one_token(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, scale: float) -> Tensor:
    """softmax(…) v for one new token: the heads of a group become the rows of one product."""
    grouped = q.view(q.shape[0], k.shape[1], -1, q.shape[3])  # (B, K, H / K, D)
    out = F.scaled_dot_product_attention(grouped, k, v, attn_mask=mask, scale=scale)
    return out.view(*q.shape[:3], -1)


def side_by_side(
    q: Tensor, k: Tensor, v: Tensor, opens: Tensor | None, size: int
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Blocks of queries as texts of a batch, beside the keys of their own place and of the one before.

    What a graph has in place of a loop, N blocks for any length: (B, H, T, D), (B, K, S, D) twice →
    (B · N, H, size, D), (B · N, K, 2 size, D) twice, and which of the last `size` keys each query
    sees. `opens` (1 or B, T) is the first among all keys.
    """
    batch, tokens, keys = q.shape[0], q.shape[2], k.shape[2]
    count = torch.sym_max(tokens // size + 1, 2)  # one block would be another graph
    block = torch.arange(batch * count, device=q.device)[:, None]  # (B · N, 1)
    text, first = block // count, size * (block % count)
    row, key = torch.arange(size, device=q.device), torch.arange(2 * size, device=q.device)
    query = (first + row).clamp(max=tokens - 1)  # (B · N, size), the last again behind the end
    place = first + key - (size + tokens - keys)  # (B · N, 2 size), among all keys
    row = row[:, None]
    mask = (key > row) & (key <= row + size) & (place >= 0)[:, None]  # (B · N, size, 2 size)
    if opens is not None:
        mask = mask & (place[:, None] >= opens.expand(batch, -1)[text, query][..., None])
    place = place.clamp(0, keys - 1)
    q = q.transpose(1, 2)[text, query].transpose(1, 2)
    k, v = (x.transpose(1, 2)[text, place].transpose(1, 2) for x in (k, v))
    return q, k, v, mask[:, None]


def one_after_another(x: Tensor, batch: int, tokens: int) -> Tensor:
    """The values of such blocks as those of the texts, (B · N, H, size, D) → (B, H, T, D)."""
    size, place = x.shape[2], torch.arange(tokens, device=x.device)
    first = torch.arange(batch, device=x.device)[:, None] * (x.shape[0] // batch)
    return x.transpose(1, 2)[first + place // size, place % size].transpose(1, 2)


def attend_sliding(
    q: Tensor, k: Tensor, v: Tensor, step: Step, window: int, scale: float
) -> Tensor:
    """Each token sees the last `window`: (B, H, T, D), (B, K, S, D) twice → (B, H, T, D).

    The queries go in blocks of one window, and each block meets only the keys it can see: the
    cost grows with T · window, and no mask is larger than window × 2 window.
    """
    if takes("sliding", q, k, v) and (step.starts is None or q.shape[2] == 1):
        from .kernels import attention_operators as kernels

        return kernels.sliding(q, k, v, step.spans, step.starts, window, scale)
    tokens, keys = q.shape[2], k.shape[2]
    if tokens == 1:  # the rolling cache fills its slots in order, and then all are seen
        mask = None if step.starts is None else visible(step.starts[:, None], keys)
        return one_token(q, k, v, mask, scale)
    before, opens = keys - tokens, step.opens  # tokens that were read before
    if step.starts is not None:  # so many of them are of the text
        opens = (before - step.starts)[:, None].expand(-1, tokens)
    if torch.compiler.is_compiling():
        rows, k, v, mask = side_by_side(q, k, v, opens, window)
        out = softmax_values(rows, k, v, mask, scale)
        return one_after_another(out, q.shape[0], tokens)
    blocks: list[Tensor] = []
    for first in range(0, tokens, window):
        last = min(first + window, tokens)
        begin = max(before + first - window + 1, 0) if first else 0
        rows, columns = slice(first, last), slice(begin, before + last)
        mask = None
        if opens is not None or begin < before + first:
            query = torch.arange(before + first - begin, before + last - begin, device=q.device)
            since = None if opens is None else opens[:, rows] - begin
            mask = visible(query[None], before + last - begin, since, window)
        block = softmax_values(q[:, :, rows], k[:, :, columns], v[:, :, columns], mask, scale)
        blocks.append(block)
    return blocks[0] if len(blocks) == 1 else torch.cat(blocks, dim=2)


def attend_causal(q: Tensor, k: Tensor, v: Tensor, step: Step, scale: float) -> Tensor:
    """Each token sees all before it: (B, H, T, D), (B, K, S, D) twice → (B, H, T, D)."""
    if takes("causal", q, k, v) and (step.starts is None or q.shape[2] == 1):
        from .kernels import attention_operators as kernels

        return kernels.causal(q, k, v, step.spans, step.starts, scale)
    tokens, mask = q.shape[2], None
    if step.opens is not None or step.starts is not None or (step.start > 0 and tokens > 1):
        query = places(step.start, step.starts, tokens, q.device)
        mask = visible(query, k.shape[2], step.opens)
    attend = one_token if tokens == 1 else softmax_values
    return attend(q, k, v, mask, scale)
