# Built by archspec 0.1.0 from parallel.yaml; edit the spec and build again.
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


def definition(q: Tensor, k: Tensor, v: Tensor, scale: float) -> Tensor:
    """Attention: softmax((q · k) · scale) over the keys that a query may see, times their values.

    Written out in float64 for a text from its start, to be read and to be compared with.
    """
    group = q.shape[1] // k.shape[1]  # query heads that share a key-value head
    q, k, v = q.double(), k.double(), v.double()
    scores = q @ k.repeat_interleave(group, dim=1).mT * scale  # (B, H, T, S)
    index = torch.arange(q.shape[2], device=q.device)
    distance = index[:, None] - index
    hidden = distance < 0
    scores = scores.masked_fill(hidden, float("-inf"))
    weights = scores.softmax(dim=-1)
    return weights @ v.repeat_interleave(group, dim=1)


# The kinds of attention that have kernels, with the widths of queries and values.
MADE = (("causal", 32, 32),)


def takes(kind: str, q: Tensor, k: Tensor, v: Tensor) -> bool:
    """Whether kernels run here, and there are some for that kind with heads so wide."""
    return (kind, q.shape[3], v.shape[3]) in MADE and use_kernels(q, k, v)


def visible(query: Tensor, keys: int, opens: Tensor | None = None) -> Tensor:
    """Which keys each query sees, (1 or B, 1, T, S): earlier ones, of its text.

    `query` (1 or B, T) is where queries stand among the keys, and `opens` (B, T or 1) where the
    text of each one begins.
    """
    key, query = torch.arange(keys, device=query.device), query[..., None]
    mask = key <= query
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
