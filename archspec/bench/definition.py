"""Attention written out: in float64, and for some of its heads, the truth that is compared with."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

ROWS = 1024
"""Queries at a time, so that the scores of a long text fit."""

OPENED = {"sigmoid": torch.sigmoid, "softplus": F.softplus}
"""The functions of gates."""

Facts = dict[str, Any]


def attention(
    facts: Facts, start: int, q: Tensor, k: Tensor, v: Tensor, beside: Tensor | None = None
) -> Tensor:
    """(B, H, T, D), (B, K, S, D), (B, K, S, E) → (B, H, T, E) in the type of q.

    `beside` (H,) are sinks or slopes, or (H, distances) biases. The queries are the last T of S
    tokens and begin at position `start`, which only chunks and what a single token sees of them
    depend on.
    """
    group = q.shape[1] // k.shape[1]
    k, v = k.repeat_interleave(group, dim=1), v.repeat_interleave(group, dim=1)
    blocks = [_rows(facts, start, first, q, k, v, beside) for first in range(0, q.shape[2], ROWS)]
    return torch.cat(blocks, dim=2)


def _rows(
    facts: Facts, start: int, first: int, q: Tensor, k: Tensor, v: Tensor, beside: Tensor | None
) -> Tensor:
    tokens, keys = q.shape[2], k.shape[2]
    rows = q[:, :, first : first + ROWS]
    scores = (rows @ k.mT) * facts["scale"]
    if facts["softcap"]:
        scores = facts["softcap"] * torch.tanh(scores / facts["softcap"])
    query = start + first + torch.arange(rows.shape[2], device=q.device)[:, None]
    key = start + tokens - keys + torch.arange(keys, device=q.device)
    if tokens == 1 and facts["chunk"]:  # the first slots of a cache are those of this chunk
        key = start - start % facts["chunk"] + torch.arange(keys, device=q.device)
    if facts["slopes"] and beside is not None:
        scores = scores - beside[:, None, None] * (query - key)
    if facts["relative"] and beside is not None:
        here = 0 if facts["causal"] else beside.shape[1] // 2
        scores = scores + beside[:, (query - key + here).clamp(0, beside.shape[1] - 1)]
    hidden = torch.zeros(rows.shape[2], keys, dtype=torch.bool, device=q.device)
    if facts["causal"]:
        hidden = key > query
    if facts["window"]:
        hidden = hidden | (query - key >= facts["window"])
    if facts["chunk"]:
        hidden = hidden | (query // facts["chunk"] != key // facts["chunk"])
    if facts["blocks"]:
        hidden = hidden | ~in_blocks(facts, rows.shape[1], query, key)
    scores = scores.masked_fill(hidden, float("-inf"))
    if facts["sinks"] and beside is not None:
        column = beside[None, :, None, None].expand(*scores.shape[:3], 1)
        return torch.cat((scores, column), dim=-1).softmax(dim=-1)[..., :keys] @ v
    return scores.softmax(dim=-1) @ v


def opened(facts: Facts, gate: Tensor | None, like: Tensor) -> Tensor:
    """What the output, a tensor like `like`, is multiplied by: (B, H, T, E) or (B, H, T, 1).

    Where there is no gate that is one.
    """
    if gate is None:
        return like.new_ones(1, 1, 1, 1)
    by_head = gate.unflatten(2, (facts["heads"], -1)).transpose(1, 2)
    return OPENED[facts["gate"]["activation"]](by_head)


def in_blocks(facts: Facts, heads: int, query: Tensor, key: Tensor) -> Tensor:
    """Whether tokens (T, 1) see earlier ones (S,) by their blocks, in each of the first heads."""
    own, group = facts["blocks"], facts["heads"] // facts["kv_heads"]
    head = torch.arange(heads, device=key.device)[:, None, None] // group
    i, j = query // own["size"], key // own["size"]
    seen = (i - j < own["local"]) | (j < own["first"])
    if own["stride"]:
        return seen | ((j + 1 + own["shift"] * head) % own["stride"] == 0)
    return seen.expand(heads, -1, -1)


def gradients(
    facts: Facts,
    start: int,
    dout: Tensor,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    beside: Tensor | None,
    opened: Tensor,
) -> list[Tensor]:
    """The output, and the gradients of q, k and v, with the scores of some rows at a time.

    `opened` multiplies the output.
    """
    dout = dout * opened
    inputs = [x.detach().requires_grad_() for x in (q, k, v)]
    group = q.shape[1] // k.shape[1]
    outs: list[Tensor] = []
    totals = [torch.zeros_like(x) for x in inputs]
    for first in range(0, q.shape[2], ROWS):
        wide = [x.repeat_interleave(group, dim=1) for x in inputs[1:]]
        out = _rows(facts, start, first, inputs[0], wide[0], wide[1], beside)
        found = torch.autograd.grad(out, inputs, dout[:, :, first : first + ROWS])
        totals = [total + x for total, x in zip(totals, found, strict=True)]
        outs.append(out.detach())
    return [torch.cat(outs, dim=2) * opened, *totals]
