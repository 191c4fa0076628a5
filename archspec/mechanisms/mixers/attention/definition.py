"""Softmax attention written out, pair by pair: arXiv 1706.03762, and what its README adds."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from archspec.mechanisms.common.definitions.beside import Beside
from archspec.mechanisms.common.definitions.gate import gated
from archspec.mechanisms.common.definitions.linear import heads, linear
from archspec.mechanisms.common.definitions.norm import norm
from archspec.mechanisms.common.definitions.rotary import rotate
from archspec.mechanisms.common.definitions.selection import selected
from archspec.mechanisms.common.definitions.softmax import weighed


def definition(fields: Any, weights: dict[str, Tensor], x: Tensor, beside: Beside) -> Tensor:
    """(B, T, C) → (B, T, C), the first token at position 0."""
    q = clipped(fields, linear(weights, "q_proj", x))
    q = placed(fields, weights, "q_norm", q)
    if fields.temperature is not None:
        q = q * temperature(fields.temperature, weights, x.shape[1])
    if fields.shared_kv:
        k, v = beside.handed[view(fields)]
    else:
        read = x if fields.source == "self" else beside.source
        assert read is not None, "the encoder's states"
        k, v = keys_and_values(fields, weights, read)
        if fields.causal and fields.source == "self" and fields.select is None:
            beside.handed[view(fields)] = k, v
    group = fields.heads // k.shape[2]
    k = torch.stack([k[:, :, h // group] for h in range(fields.heads)], dim=2)
    v = torch.stack([v[:, :, h // group] for h in range(fields.heads)], dim=2)
    scores = scored(fields, weights, q, k, beside)
    if fields.select is not None:
        seen = selected(fields.select, weights, x, x, beside)[:, None]
    else:
        seen = visible(fields, x.shape[1], k.shape[1], beside.prefix)
    out = weighed(scores, seen, v, weights["sinks"] if fields.sinks else None)
    if fields.gate is not None:
        out = gated(fields.gate, weights, x, out)
    return linear(weights, "o_proj", out.flatten(2))


def view(fields: Any) -> tuple[Any, ...]:
    """What layers that share keys and values have in common: their heads, and what they see."""
    sees = fields.window, fields.chunk, fields.block_sparse
    return "keys", *sees, fields.kv_heads or fields.heads, fields.head_dim, fields.value_head_dim


def keys_and_values(fields: Any, weights: dict[str, Tensor], x: Tensor) -> tuple[Tensor, Tensor]:
    """Keys (B, S, K, D) and values (B, S, K, V) of the text x."""
    k = clipped(fields, linear(weights, "k_proj", x))
    v = k if fields.keys_as_values else clipped(fields, linear(weights, "v_proj", x))
    v = heads(v, fields.value_head_dim or fields.head_dim)
    if fields.v_norm is not None:
        v = norm(fields.v_norm, weights, "v_norm", v)
    return placed(fields, weights, "k_norm", k), v


def clipped(fields: Any, y: Tensor) -> Tensor:
    """What `clip` cuts to ± itself."""
    return y if fields.clip_qkv is None else y.clamp(-fields.clip_qkv, fields.clip_qkv)


def placed(fields: Any, weights: dict[str, Tensor], name: str, y: Tensor) -> Tensor:
    """Queries or keys (B, T, H · D), normed and turned by position: (B, T, H, D)."""
    own = fields.qk_norm
    if own is not None and own.scope == "width":
        y = norm(own, weights, name, y)
        own = None
    y = heads(y, fields.head_dim)
    if own is not None and not own.after_rope:
        y = norm(own, weights, name, y)
    if fields.rope is not None:
        y = rotate(fields.rope, y)
    if own is not None and own.after_rope:
        y = norm(own, weights, name, y)
    return y


def temperature(fields: Any, weights: dict[str, Tensor], tokens: int) -> Tensor:
    """What multiplies the query at each position, (T, 1 or H, 1)."""

    def at(p: int) -> float:
        if fields.type == "log_floor":
            return 1 + fields.scale * math.log(1 + (p + 1) // fields.floor)
        if fields.type == "log_position":
            return 1 + fields.scale * math.log(1 + p // fields.original_context)
        if fields.type == "log_clipped":
            return 1 + fields.scale * math.log(max(1, (p + 1) / fields.original_context))
        assert fields.type == "power"
        return (1 + (p + 1) / fields.original_context) ** fields.exponent

    if fields.type == "learned":
        size = torch.tensor([math.log(p + 1) for p in range(tokens)], dtype=torch.float64)
        size = size[:, None] * weights["temperature_scale"] + weights["temperature_bias"]
        return size[..., None]
    size = torch.tensor([at(p) for p in range(tokens)], dtype=torch.float64)
    return size[:, None, None]


def scored(fields: Any, weights: dict[str, Tensor], q: Tensor, k: Tensor, beside: Beside) -> Tensor:
    """s_ij with all that is done to it before the softmax, (B, H, T, S)."""
    scale = fields.head_dim**-0.5 if fields.scale is None else fields.scale
    scores = torch.einsum("bthd,bshd->bhts", q, k) * scale
    if fields.softcap is not None:
        scores = fields.softcap * torch.tanh(scores / fields.softcap)
    tokens = q.shape[1]
    if fields.alibi is not None:
        slopes = alibi_slopes(fields.heads, fields.alibi.max_bias)
        factor = scale if fields.alibi.scaled else 1.0
        steps = torch.tensor([[float(j - i) for j in range(tokens)] for i in range(tokens)])
        bias = [factor * slope * steps.double() for slope in slopes]
        scores = scores + torch.stack(bias)
    if fields.relative_bias is not None:
        rows = relative_rows(fields.relative_bias, fields.causal, tokens)
        name = "relative_bias.weight"
        table = beside.tables[name] if fields.relative_bias.shared else weights[name]
        scores = scores + table[rows].permute(2, 0, 1)
    return scores


def alibi_slopes(heads: int, max_bias: float) -> list[float]:
    """A geometric series whose first term is also its ratio (arXiv 2108.12409, section 3).

    Where the count of heads is no power of two, the series of the power below, and then every
    second term of the series of the power above, as published code has it.
    """

    def series(count: int) -> list[float]:
        return [2 ** (-max_bias * (h + 1) / count) for h in range(count)]

    below = 1
    while below * 2 <= heads:
        below *= 2
    return series(below) + series(2 * below)[0::2][: heads - below]


def relative_rows(fields: Any, causal: bool, tokens: int) -> Tensor:
    """The row of the table for query i and key j, (T, T); arXiv 1910.10683, section 2.1.

    With buckets, of each side half are for near distances and the others cover distances that grow
    in proportion, up to `max_distance`; keys ahead have the second half of the table where both
    sides are seen. Without, row d is for keys d tokens back; where both sides are seen row
    `max_distance` is for the token itself, and those below it for keys ahead.
    """

    def row(distance: int) -> int:
        """The distance is how far a key lies back, below zero for one ahead."""
        if fields.buckets is None:
            first = 0 if causal else fields.max_distance
            last = fields.max_distance * (1 if causal else 2) - 1
            return min(max(first + distance, 0), last)
        count, first = fields.buckets, 0
        if not causal:
            count //= 2
            first, distance = (count, -distance) if distance < 0 else (0, distance)
        distance, near = max(distance, 0), count // 2
        if distance < near:
            return first + distance
        share = math.log(distance / near) / math.log(fields.max_distance / near)
        return first + min(near + int(share * (count - near)), count - 1)

    return torch.tensor([[row(i - j) for j in range(tokens)] for i in range(tokens)])


def visible(fields: Any, tokens: int, keys: int, prefix: int) -> Tensor:
    """Which keys each query sees, (H, T, S)."""
    if fields.source == "encoder" or not fields.causal:
        return torch.ones(fields.heads, tokens, keys, dtype=torch.bool)
    count = fields.kv_heads or fields.heads
    group = fields.heads // count

    def sees(h: int, i: int, j: int) -> bool:
        if fields.prefix_lm and i < prefix and j < prefix:
            return True
        if j > i:
            return False
        if fields.window is not None:
            return i - j < fields.window
        if fields.chunk is not None:
            return i // fields.chunk == j // fields.chunk
        blocks = fields.block_sparse
        if blocks is not None:
            back, block = i // blocks.size - j // blocks.size, j // blocks.size
            near = back < blocks.local or block < blocks.first
            if blocks.stride is None:
                return near
            shift = h // group * max(1, blocks.stride // count) if blocks.shifted else 0
            return near or (block + 1 + shift) % blocks.stride == 0
        return True

    alike = fields.block_sparse is None  # all heads
    of_heads = [
        [[sees(h, i, j) for j in range(keys)] for i in range(tokens)]
        for h in range(1 if alike else fields.heads)
    ]
    return torch.tensor(of_heads).expand(fields.heads, -1, -1)
