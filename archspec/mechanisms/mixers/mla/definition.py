"""Latent attention written out: arXiv 2405.04434, section 2.1, every head expanded."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from archspec.mechanisms.common.definitions.beside import Beside
from archspec.mechanisms.common.definitions.gate import gated
from archspec.mechanisms.common.definitions.linear import heads, linear
from archspec.mechanisms.common.definitions.norm import norm
from archspec.mechanisms.common.definitions.rotary import rotate
from archspec.mechanisms.common.definitions.selection import selected
from archspec.mechanisms.common.definitions.softmax import causal, weighed


def definition(fields: Any, weights: dict[str, Tensor], x: Tensor, beside: Beside) -> Tensor:
    """(B, T, C) → (B, T, C), the first token at position 0."""
    nope, rope_dim, count = fields.nope_dim, fields.rope_dim, fields.heads
    a = x
    if fields.query_rank is not None:
        a = linear(weights, "q_a_proj", x)
        if fields.latent_norm is not None:
            a = norm(fields.latent_norm, weights, "q_a_layernorm", a)
    q = linear(weights, "q_proj" if fields.query_rank is None else "q_b_proj", a)
    q = heads(q, nope + rope_dim)  # (B, T, H, D)
    both = linear(weights, "kv_a_proj_with_mqa", x)
    c, r = both[..., : fields.kv_rank], both[..., None, fields.kv_rank :]
    if fields.latent_norm is not None:
        c = norm(fields.latent_norm, weights, "kv_a_layernorm", c)
    q_nope, q_rope = q[..., :nope], q[..., nope:]
    if fields.rope is not None:
        q_rope, r = rotate(fields.rope, q_rope), rotate(fields.rope, r)
    q = torch.cat((q_nope, q_rope), dim=-1)
    expanded = heads(linear(weights, "kv_b_proj", c), nope + fields.value_head_dim)
    k = torch.cat((expanded[..., :nope], r.expand(-1, -1, count, -1)), dim=-1)
    v = expanded[..., nope:]
    scale = (nope + rope_dim) ** -0.5 if fields.scale is None else fields.scale
    scores = torch.einsum("bthd,bshd->bhts", q, k) * scale
    seen = causal(x.shape[1])
    if fields.select is not None:
        seen = selected(fields.select, weights, x, a, beside)[:, None]
    out = weighed(scores, seen, v)
    if fields.gate is not None:
        out = gated(fields.gate, weights, x, out)
    return linear(weights, "o_proj", out.flatten(2))


def attend_latent(q: Tensor, entries: Tensor, step: Any, rank: int, scale: float) -> Tensor:
    """Softmax over latents, of which all heads see those up to their own place.

    q (B, H, T, R) stand where `step` says, at its `start` and on, or in each text at its `starts`
    (B,) and on; an entry of (B, 1, S, R) is a key, and its first `rank` numbers are the value:
    (B, H, T, rank).
    """
    first = step.starts
    if first is None:
        first = torch.full((q.shape[0],), step.start, device=q.device)
    place = first[:, None] + torch.arange(q.shape[2], device=q.device)  # (B, T)
    hidden = torch.arange(entries.shape[2], device=q.device) > place[:, None, :, None]
    scores = torch.einsum("bhtr,bsr->bhts", q, entries[:, 0]) * scale
    weights = scores.masked_fill(hidden, float("-inf")).softmax(dim=-1)
    return torch.einsum("bhts,bsr->bhtr", weights, entries[:, 0, :, :rank])
