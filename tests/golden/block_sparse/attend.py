# Built by archspec 0.1.0 from block-sparse.yaml; edit the spec and build again.
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


def definition(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    scale: float,
    size: int = 0,
    local: int = 0,
    first: int = 0,
    stride: int | None = None,
    shift: int = 0,
) -> Tensor:
    """Attention: softmax((q · k) · scale) over the keys that a query may see, times their values.

    Written out in float64 for a text from its start, to be read and to be compared with.
    """
    group = q.shape[1] // k.shape[1]  # query heads that share a key-value head
    q, k, v = q.double(), k.double(), v.double()
    scores = q @ k.repeat_interleave(group, dim=1).mT * scale  # (B, H, T, S)
    index = torch.arange(q.shape[2], device=q.device)
    distance = index[:, None] - index
    hidden = distance < 0
    if size > 0:
        block, far = index // size, index // size >= first
        if stride is not None:
            head = torch.arange(q.shape[1], device=q.device)[:, None, None] // group
            far = far & ((block + 1 + shift * head) % stride != 0)
        hidden = hidden | (far & (block[:, None] - block >= local))
    scores = scores.masked_fill(hidden, float("-inf"))
    weights = scores.softmax(dim=-1)
    return weights @ v.repeat_interleave(group, dim=1)


# The kinds of attention that have kernels, with the widths of queries and values.
MADE = (
    ("causal", 32, 32),
    ("block_sparse", 32, 32),
)


def takes(kind: str, q: Tensor, k: Tensor, v: Tensor) -> bool:
    """Whether kernels run here, and there are some for that kind with heads so wide."""
    return (kind, q.shape[3], v.shape[3]) in MADE and use_kernels(q, k, v)


def visible(query: Tensor, keys: int) -> Tensor:
    """Which keys each query sees, (1 or B, 1, T, S): earlier ones.

    `query` (1 or B, T) is where queries stand among the keys.
    """
    key, query = torch.arange(keys, device=query.device), query[..., None]
    mask = key <= query
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


def attend_causal(q: Tensor, k: Tensor, v: Tensor, step: Step, scale: float) -> Tensor:
    """Each token sees all before it: (B, H, T, D), (B, K, S, D) twice → (B, H, T, D)."""
    if takes("causal", q, k, v) and (step.starts is None or q.shape[2] == 1):
        from .kernels import attention_operators as kernels

        return kernels.causal(q, k, v, None, step.starts, scale)
    tokens, mask = q.shape[2], None
    if step.starts is not None or (step.start > 0 and tokens > 1):
        query = places(step.start, step.starts, tokens, q.device)
        mask = visible(query, k.shape[2])
    attend = one_token if tokens == 1 else softmax_values
    return attend(q, k, v, mask, scale)


def attend_block_sparse(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    step: Step,
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
    if takes("block_sparse", q, k, v) and step.starts is None:
        from .kernels import attention_operators as kernels

        return kernels.block_sparse(
            q, k, v, None, [size, local, first, stride or 1 << 30, shift], scale
        )
    start, tokens, end = step.start, q.shape[2], step.start + q.shape[2]
    heads = torch.arange(k.shape[1], device=q.device)[:, None]  # (K, 1)
    group = q.shape[1] // k.shape[1]
    attend = one_token if tokens == 1 else softmax_values
    if step.starts is not None or torch.compiler.is_compiling():
        place = places(start, step.starts, tokens, q.device)
        query, key = place[:, None, :, None] // size, torch.arange(end, device=q.device) // size
        mask = (query - key < local) | (key < first)
        if stride is not None:
            each = heads[:, :, None] if shift else heads[:1, :, None]
            mask = mask | ((key + 1 + shift * each) % stride == 0)  # (1 or B, 1 or K, T, S)
        mask = mask & visible(place, end)
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
            mask = visible(query[None], begin - near)
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
