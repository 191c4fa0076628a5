# Built by archspec 0.1.0 from sparse.yaml; edit the spec and build again.
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
    q: Tensor, k: Tensor, v: Tensor, scale: float, sinks: Tensor | None = None
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
    scores = scores.masked_fill(hidden, float("-inf"))
    if sinks is not None:  # a score of each head without a value
        column = sinks.double()[None, :, None, None].expand(*scores.shape[:3], 1)
        scores = torch.cat((scores, column), dim=-1)
    weights = scores.softmax(dim=-1)[..., : k.shape[2]]
    return weights @ v.repeat_interleave(group, dim=1)


# The kinds of attention that have kernels, with the widths of queries and values.
MADE = (("causal_sink", 32, 32),)


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
    """softmax(…) v for one new token: the heads of a group become the rows of one product."""
    grouped = q.view(q.shape[0], k.shape[1], -1, q.shape[3])  # (B, K, H / K, D)
    scores = (grouped @ k.mT) * scale  # (B, K, H / K, S)
    if mask is not None:
        scores = scores.masked_fill(~mask, float("-inf"))
    sink = sinks.to(scores.dtype).view(1, k.shape[1], -1, 1).expand(*scores.shape[:3], 1)
    weights = torch.cat((scores, sink), dim=-1).softmax(dim=-1)[..., :-1]
    return (weights @ v).view(*q.shape[:3], -1)


def attend_causal_sink(
    q: Tensor, k: Tensor, v: Tensor, step: Step, sinks: Tensor, scale: float
) -> Tensor:
    """Each token sees all before it: (B, H, T, D), (B, K, S, D) twice → (B, H, T, D)."""
    if takes("causal_sink", q, k, v) and (step.starts is None or q.shape[2] == 1):
        from .kernels import attention_operators as kernels

        return kernels.causal_sink(q, k, v, sinks, step.spans, step.starts, scale)
    tokens, mask = q.shape[2], None
    if step.opens is not None or step.starts is not None or (step.start > 0 and tokens > 1):
        query = places(step.start, step.starts, tokens, q.device)
        mask = visible(query, k.shape[2], step.opens)
    attend = one_token_sink if tokens == 1 else softmax_values_sink
    return attend(q, k, v, sinks, mask, scale)
