# Built by archspec 0.1.0 from layer-vectors.yaml; edit the spec and build again.
"""Softmax attention in Triton, made for the shapes of layer-vectors.

tokens   T, new tokens of a text, the last of its keys
keys     S, keys up to the last token
row      one query head of one token: the G heads that share a key-value head lie side by side, so
         that a tile of rows reads each key once for all of them; row r is token r // G
ROWS     rows that a program has in hand at once; KEYS, keys of a tile
s, p     scores as exponents of two, and their softmax; both are (ROWS, KEYS), in float32
top, total
         the largest score of a row so far, and the sum of its exponentials below that
lse      log2 of a row's sum, (B, K, T · G)
delta    Σ out · dout of a row, the same shape
x_batch, x_head, x_token
         how far apart in memory the sequences, heads and tokens of x are; the numbers of a head
         lie one behind the other
own, place
         where the first row of a tile stands in what is as dense as out, and each row after it
share    keys that one program reads for a new token, and `part` what they give alone
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
import triton
import triton.language as tl
from torch import Tensor

from .launch import NAMESPACE, WANTED, Variant, launch, pieces


@triton.jit
def multiply(a, b, total=None):
    """total + a b; float32 is multiplied as such."""
    return tl.dot(a, b, total, input_precision="ieee")


@triton.jit
def soften(s, top, total, scale: tl.constexpr):
    """The softmax so far, with a tile more: its weights, and what earlier sums are multiplied by."""
    higher = tl.maximum(top, tl.max(s, axis=1) * scale)
    p = tl.exp2(s * scale - higher[:, None])
    keep = tl.exp2(top - higher)
    return p, keep, higher, total * keep + tl.sum(p, axis=1)


@triton.jit(do_not_specialize=["tokens", "keys"])
def sliding_forward(
    q_ptr,
    k_ptr,
    v_ptr,
    out_ptr,
    lse_ptr,
    tokens,
    keys,
    q_batch,
    q_head,
    q_token,
    k_batch,
    k_head,
    k_token,
    v_batch,
    v_head,
    v_token,
    ROWS: tl.constexpr,
    KEYS: tl.constexpr,
):
    """out = softmax(q kᵀ · 0.1768) v, and lse: a token sees the last 32."""
    sequence = (tl.program_id(1) // 2).to(tl.int64)
    head = (tl.program_id(1) % 2).to(tl.int64)
    tile = tl.num_programs(0) - 1 - tl.program_id(0)  # what has most to do comes first
    row = tile * ROWS + tl.arange(0, ROWS)
    real = row < tokens * 2
    start = tile * ROWS // 2  # the first token of the tile
    token, member = row // 2, row % 2
    q_at = q_ptr + sequence * q_batch + head * 2 * q_head + start * q_token.to(tl.int64)
    q_at += ((token - start) * q_token + member * q_head)[:, None]
    own = (sequence * tokens + start) * 4 + head * 2
    place = ((token - start) * 4 + member)[:, None]
    earlier = keys - tokens  # keys before the first query
    last = earlier + token  # the last key a row sees, its own
    lowest = earlier + start
    highest = earlier + tl.minimum((tile * ROWS + ROWS - 1) // 2, tokens - 1)
    begin = tl.maximum(lowest - 31, 0) // KEYS * KEYS
    d = tl.arange(0, 32)[None, :]
    q = tl.load(q_at + d, mask=real[:, None], other=0.0)
    place_k = sequence * k_batch + head * k_head + begin * k_token.to(tl.int64)
    place_v = sequence * v_batch + head * v_head + begin * v_token.to(tl.int64)
    k_at = k_ptr + place_k + (tl.arange(0, KEYS) * k_token)[:, None]
    v_at = v_ptr + place_v + (tl.arange(0, KEYS) * v_token)[:, None]
    top = tl.full((ROWS,), -1.0e30, tl.float32)  # finite: a row may see none of its first keys
    total = tl.zeros((ROWS,), tl.float32)
    acc = tl.zeros((ROWS, 32), tl.float32)
    for first in range(begin, highest + 1, KEYS):  # some rows see a part of the tile
        key = first + tl.arange(0, KEYS)
        k = tl.load(k_at + d, mask=(key < keys)[:, None], other=0.0)
        v = tl.load(v_at + d, mask=(key < keys)[:, None], other=0.0)
        s = multiply(q, tl.trans(k))
        s = tl.where(
            (key[None, :] <= last[:, None]) & (key[None, :] > last[:, None] - 32), s, float("-inf")
        )
        p, keep, top, total = soften(s, top, total, 0.25503486164919736)
        acc = multiply(p.to(v.dtype), v, acc * keep[:, None])
        k_at += KEYS * k_token
        v_at += KEYS * v_token
    tl.store(out_ptr + own * 32 + place * 32 + d, acc / total[:, None], mask=real[:, None])
    tl.store(
        lse_ptr + tl.program_id(1).to(tl.int64) * tokens * 2 + row, top + tl.log2(total), mask=real
    )


@triton.jit(do_not_specialize=["tokens", "keys"])
def sliding_backward_queries(
    q_ptr,
    k_ptr,
    v_ptr,
    out_ptr,
    dout_ptr,
    lse_ptr,
    delta_ptr,
    dq_ptr,
    tokens,
    keys,
    q_batch,
    q_head,
    q_token,
    k_batch,
    k_head,
    k_token,
    v_batch,
    v_head,
    v_token,
    ROWS: tl.constexpr,
    KEYS: tl.constexpr,
):
    """dq = Σ ds k · 0.1767766952966369 with ds = p (dout · v − delta); leaves delta = out · dout."""
    sequence = (tl.program_id(1) // 2).to(tl.int64)
    head = (tl.program_id(1) % 2).to(tl.int64)
    tile = tl.num_programs(0) - 1 - tl.program_id(0)  # what has most to do comes first
    row = tile * ROWS + tl.arange(0, ROWS)
    real = row < tokens * 2
    start = tile * ROWS // 2  # the first token of the tile
    token, member = row // 2, row % 2
    q_at = q_ptr + sequence * q_batch + head * 2 * q_head + start * q_token.to(tl.int64)
    q_at += ((token - start) * q_token + member * q_head)[:, None]
    own = (sequence * tokens + start) * 4 + head * 2
    place = ((token - start) * 4 + member)[:, None]
    earlier = keys - tokens  # keys before the first query
    last = earlier + token  # the last key a row sees, its own
    lowest = earlier + start
    highest = earlier + tl.minimum((tile * ROWS + ROWS - 1) // 2, tokens - 1)
    begin = tl.maximum(lowest - 31, 0) // KEYS * KEYS
    d = tl.arange(0, 32)[None, :]
    q = tl.load(q_at + d, mask=real[:, None], other=0.0)
    out = tl.load(out_ptr + own * 32 + place * 32 + d, mask=real[:, None], other=0.0)
    dout = tl.load(dout_ptr + own * 32 + place * 32 + d, mask=real[:, None], other=0.0)
    delta = tl.sum(out.to(tl.float32) * dout, axis=1)
    at = tl.program_id(1).to(tl.int64) * tokens * 2
    tl.store(delta_ptr + at + row, delta, mask=real)
    lse = tl.load(lse_ptr + at + row, mask=real, other=float("inf"))
    place_k = sequence * k_batch + head * k_head + begin * k_token.to(tl.int64)
    place_v = sequence * v_batch + head * v_head + begin * v_token.to(tl.int64)
    k_at = k_ptr + place_k + (tl.arange(0, KEYS) * k_token)[:, None]
    v_at = v_ptr + place_v + (tl.arange(0, KEYS) * v_token)[:, None]
    dq = tl.zeros((ROWS, 32), tl.float32)
    for first in range(begin, highest + 1, KEYS):  # some rows see a part of the tile
        key = first + tl.arange(0, KEYS)
        k = tl.load(k_at + d, mask=(key < keys)[:, None], other=0.0)
        v = tl.load(v_at + d, mask=(key < keys)[:, None], other=0.0)
        s = multiply(q, tl.trans(k))
        p = tl.exp2(s * 0.25503486164919736 - lse[:, None])
        p = tl.where((key[None, :] <= last[:, None]) & (key[None, :] > last[:, None] - 32), p, 0.0)
        dp = multiply(dout, tl.trans(v))
        ds = p * (dp - delta[:, None])
        dq = multiply(ds.to(k.dtype), k, dq)
        k_at += KEYS * k_token
        v_at += KEYS * v_token
    tl.store(dq_ptr + own * 32 + place * 32 + d, dq * 0.1767766952966369, mask=real[:, None])


@triton.jit(do_not_specialize=["tokens", "keys"])
def sliding_backward_keys(
    q_ptr,
    k_ptr,
    v_ptr,
    dout_ptr,
    lse_ptr,
    delta_ptr,
    dk_ptr,
    dv_ptr,
    tokens,
    keys,
    q_batch,
    q_head,
    q_token,
    k_batch,
    k_head,
    k_token,
    v_batch,
    v_head,
    v_token,
    ROWS: tl.constexpr,
    KEYS: tl.constexpr,
):
    """dv = Σ p dout and dk = Σ ds q · 0.1767766952966369 over all rows of the group that see a key."""
    sequence = (tl.program_id(1) // 2).to(tl.int64)
    head = (tl.program_id(1) % 2).to(tl.int64)
    first = tl.program_id(0) * KEYS
    earlier = keys - tokens  # keys before the first query
    begin = tl.maximum(first - earlier, 0) * 2  # the first row that sees any
    final = tl.minimum(first + KEYS, keys) - 1
    end = tl.minimum(final + 32 - earlier, tokens) * 2  # after the last row that sees any
    d = tl.arange(0, 32)[None, :]
    place_k = sequence * k_batch + head * k_head + first * k_token.to(tl.int64)
    place_v = sequence * v_batch + head * v_head + first * v_token.to(tl.int64)
    k_at = k_ptr + place_k + (tl.arange(0, KEYS) * k_token)[:, None]
    v_at = v_ptr + place_v + (tl.arange(0, KEYS) * v_token)[:, None]
    key = first + tl.arange(0, KEYS)[:, None]
    there = key < keys
    at = tl.program_id(1).to(tl.int64) * tokens * 2
    k = tl.load(k_at + d, mask=there, other=0.0)
    v = tl.load(v_at + d, mask=there, other=0.0)
    dk = tl.zeros((KEYS, 32), tl.float32)
    dv = tl.zeros((KEYS, 32), tl.float32)
    for above in range(begin, end, ROWS):  # some rows see a part of the tile
        row = above + tl.arange(0, ROWS)
        real = row < tokens * 2
        start = above // 2  # the first token of the tile
        token, member = row // 2, row % 2
        q_at = q_ptr + sequence * q_batch + head * 2 * q_head + start * q_token.to(tl.int64)
        q_at += ((token - start) * q_token + member * q_head)[:, None]
        own = (sequence * tokens + start) * 4 + head * 2
        place = ((token - start) * 4 + member)[:, None]
        lse = tl.load(lse_ptr + at + row, mask=real, other=float("inf"))
        delta = tl.load(delta_ptr + at + row, mask=real, other=0.0)
        q = tl.load(q_at + d, mask=real[:, None], other=0.0)
        dout = tl.load(dout_ptr + own * 32 + place * 32 + d, mask=real[:, None], other=0.0)
        s = multiply(k, tl.trans(q))
        last = earlier + token
        p = tl.exp2(s * 0.25503486164919736 - lse[None, :])
        p = tl.where((key <= last[None, :]) & (last[None, :] < key + 32) & real[None, :], p, 0.0)
        dv = multiply(p.to(dout.dtype), dout, dv)
        dp = multiply(v, tl.trans(dout))
        ds = p * (dp - delta[None, :])
        dk = multiply(ds.to(q.dtype), q, dk)
    own = (sequence * keys + first) * 2 + head
    place = tl.arange(0, KEYS)[:, None] * 2
    tl.store(dk_ptr + own * 32 + place * 32 + d, dk * 0.1767766952966369, mask=there)
    tl.store(dv_ptr + own * 32 + place * 32 + d, dv, mask=there)


@triton.jit(do_not_specialize=["keys", "share"])
def sliding_decode(
    q_ptr,
    k_ptr,
    v_ptr,
    part_ptr,
    part_lse_ptr,
    keys,
    share,
    q_batch,
    q_head,
    k_batch,
    k_head,
    k_token,
    v_batch,
    v_head,
    v_token,
    ROWS: tl.constexpr,
    KEYS: tl.constexpr,
):
    """One new token sees `share` of the keys: the heads of a group are the rows of one product."""
    sequence = (tl.program_id(1) // 2).to(tl.int64)
    head = (tl.program_id(1) % 2).to(tl.int64)
    row = tl.program_id(2) * ROWS + tl.arange(0, ROWS)
    real = row < 2
    query_head = head * 2 + row
    q_at = q_ptr + (sequence * q_batch + query_head * q_head)[:, None]
    begin = tl.program_id(0) * share
    end = tl.minimum(begin + share, keys)
    full = begin + (end - begin) // KEYS * KEYS
    d = tl.arange(0, 32)[None, :]
    q = tl.load(q_at + d, mask=real[:, None], other=0.0)
    place_k = sequence * k_batch + head * k_head + begin * k_token.to(tl.int64)
    place_v = sequence * v_batch + head * v_head + begin * v_token.to(tl.int64)
    k_at = k_ptr + place_k + (tl.arange(0, KEYS) * k_token)[:, None]
    v_at = v_ptr + place_v + (tl.arange(0, KEYS) * v_token)[:, None]
    top = tl.full((ROWS,), -1.0e30, tl.float32)
    total = tl.zeros((ROWS,), tl.float32)
    acc = tl.zeros((ROWS, 32), tl.float32)
    for first in range(begin, full, KEYS):  # whole tiles
        k = tl.load(k_at + d)
        v = tl.load(v_at + d)
        s = multiply(q, tl.trans(k))
        p, keep, top, total = soften(s, top, total, 0.25503486164919736)
        acc = multiply(p.to(v.dtype), v, acc * keep[:, None])
        k_at += KEYS * k_token
        v_at += KEYS * v_token
    for first in range(full, end, KEYS):  # where the keys end
        key = first + tl.arange(0, KEYS)
        k = tl.load(k_at + d, mask=(key < keys)[:, None], other=0.0)
        v = tl.load(v_at + d, mask=(key < keys)[:, None], other=0.0)
        s = multiply(q, tl.trans(k))
        s = tl.where(key[None, :] < keys, s, float("-inf"))
        p, keep, top, total = soften(s, top, total, 0.25503486164919736)
        acc = multiply(p.to(v.dtype), v, acc * keep[:, None])
        k_at += KEYS * k_token
        v_at += KEYS * v_token
    part = (tl.program_id(0) * tl.num_programs(1) + tl.program_id(1)) * 2 + row.to(tl.int64)
    tl.store(part_ptr + part[:, None] * 32 + d, acc / total[:, None], mask=real[:, None])
    tl.store(part_lse_ptr + part, top + tl.log2(total), mask=real)


@triton.jit(do_not_specialize=["parts"])
def sliding_combine(
    part_ptr,
    part_lse_ptr,
    out_ptr,
    lse_ptr,
    parts,
    PARTS: tl.constexpr,
):
    """What the parts of a row give together, each weighted by its sum."""
    row = tl.program_id(0).to(tl.int64)
    at = tl.arange(0, PARTS).to(tl.int64) * tl.num_programs(0) + row
    there = tl.arange(0, PARTS) < parts
    lse = tl.load(part_lse_ptr + at, mask=there, other=float("-inf"))
    top = tl.max(lse, axis=0)
    weight = tl.exp2(lse - top)
    total = tl.sum(weight, axis=0)
    d = tl.arange(0, 32)
    values = tl.load(part_ptr + at[:, None] * 32 + d, mask=there[:, None], other=0.0)
    tl.store(out_ptr + row * 32 + d, tl.sum(values * weight[:, None], axis=0) / total)
    tl.store(lse_ptr + row, top + tl.log2(total))


@triton.jit(do_not_specialize=["tokens", "keys"])
def causal_forward(
    q_ptr,
    k_ptr,
    v_ptr,
    out_ptr,
    lse_ptr,
    tokens,
    keys,
    q_batch,
    q_head,
    q_token,
    k_batch,
    k_head,
    k_token,
    v_batch,
    v_head,
    v_token,
    ROWS: tl.constexpr,
    KEYS: tl.constexpr,
):
    """out = softmax(q kᵀ · 0.125) v, and lse: a token sees all before it."""
    sequence = (tl.program_id(1) // 1).to(tl.int64)
    head = (tl.program_id(1) % 1).to(tl.int64)
    tile = tl.num_programs(0) - 1 - tl.program_id(0)  # what has most to do comes first
    row = tile * ROWS + tl.arange(0, ROWS)
    real = row < tokens * 4
    start = tile * ROWS // 4  # the first token of the tile
    token, member = row // 4, row % 4
    q_at = q_ptr + sequence * q_batch + head * 4 * q_head + start * q_token.to(tl.int64)
    q_at += ((token - start) * q_token + member * q_head)[:, None]
    own = (sequence * tokens + start) * 4 + head * 4
    place = ((token - start) * 4 + member)[:, None]
    earlier = keys - tokens  # keys before the first query
    last = earlier + token  # the last key a row sees, its own
    lowest = earlier + start
    highest = earlier + tl.minimum((tile * ROWS + ROWS - 1) // 4, tokens - 1)
    full = (lowest + 1) // KEYS * KEYS
    d = tl.arange(0, 64)[None, :]
    q = tl.load(q_at + d, mask=real[:, None], other=0.0)
    place_k = sequence * k_batch + head * k_head
    place_v = sequence * v_batch + head * v_head
    k_at = k_ptr + place_k + (tl.arange(0, KEYS) * k_token)[:, None]
    v_at = v_ptr + place_v + (tl.arange(0, KEYS) * v_token)[:, None]
    top = tl.full((ROWS,), -1.0e30, tl.float32)  # finite: a row may see none of its first keys
    total = tl.zeros((ROWS,), tl.float32)
    acc = tl.zeros((ROWS, 64), tl.float32)
    for first in range(0, full, KEYS):  # every row sees the whole tile
        k = tl.load(k_at + d)
        v = tl.load(v_at + d)
        s = multiply(q, tl.trans(k))
        p, keep, top, total = soften(s, top, total, 0.18033688011112042)
        acc = multiply(p.to(v.dtype), v, acc * keep[:, None])
        k_at += KEYS * k_token
        v_at += KEYS * v_token
    for first in range(full, highest + 1, KEYS):  # the diagonal
        key = first + tl.arange(0, KEYS)
        k = tl.load(k_at + d, mask=(key < keys)[:, None], other=0.0)
        v = tl.load(v_at + d, mask=(key < keys)[:, None], other=0.0)
        s = multiply(q, tl.trans(k))
        s = tl.where(key[None, :] <= last[:, None], s, float("-inf"))
        p, keep, top, total = soften(s, top, total, 0.18033688011112042)
        acc = multiply(p.to(v.dtype), v, acc * keep[:, None])
        k_at += KEYS * k_token
        v_at += KEYS * v_token
    tl.store(out_ptr + own * 64 + place * 64 + d, acc / total[:, None], mask=real[:, None])
    tl.store(
        lse_ptr + tl.program_id(1).to(tl.int64) * tokens * 4 + row, top + tl.log2(total), mask=real
    )


@triton.jit(do_not_specialize=["tokens", "keys"])
def causal_backward_queries(
    q_ptr,
    k_ptr,
    v_ptr,
    out_ptr,
    dout_ptr,
    lse_ptr,
    delta_ptr,
    dq_ptr,
    tokens,
    keys,
    q_batch,
    q_head,
    q_token,
    k_batch,
    k_head,
    k_token,
    v_batch,
    v_head,
    v_token,
    ROWS: tl.constexpr,
    KEYS: tl.constexpr,
):
    """dq = Σ ds k · 0.125 with ds = p (dout · v − delta); leaves delta = out · dout."""
    sequence = (tl.program_id(1) // 1).to(tl.int64)
    head = (tl.program_id(1) % 1).to(tl.int64)
    tile = tl.num_programs(0) - 1 - tl.program_id(0)  # what has most to do comes first
    row = tile * ROWS + tl.arange(0, ROWS)
    real = row < tokens * 4
    start = tile * ROWS // 4  # the first token of the tile
    token, member = row // 4, row % 4
    q_at = q_ptr + sequence * q_batch + head * 4 * q_head + start * q_token.to(tl.int64)
    q_at += ((token - start) * q_token + member * q_head)[:, None]
    own = (sequence * tokens + start) * 4 + head * 4
    place = ((token - start) * 4 + member)[:, None]
    earlier = keys - tokens  # keys before the first query
    last = earlier + token  # the last key a row sees, its own
    lowest = earlier + start
    highest = earlier + tl.minimum((tile * ROWS + ROWS - 1) // 4, tokens - 1)
    full = (lowest + 1) // KEYS * KEYS
    d = tl.arange(0, 64)[None, :]
    q = tl.load(q_at + d, mask=real[:, None], other=0.0)
    out = tl.load(out_ptr + own * 64 + place * 64 + d, mask=real[:, None], other=0.0)
    dout = tl.load(dout_ptr + own * 64 + place * 64 + d, mask=real[:, None], other=0.0)
    delta = tl.sum(out.to(tl.float32) * dout, axis=1)
    at = tl.program_id(1).to(tl.int64) * tokens * 4
    tl.store(delta_ptr + at + row, delta, mask=real)
    lse = tl.load(lse_ptr + at + row, mask=real, other=float("inf"))
    place_k = sequence * k_batch + head * k_head
    place_v = sequence * v_batch + head * v_head
    k_at = k_ptr + place_k + (tl.arange(0, KEYS) * k_token)[:, None]
    v_at = v_ptr + place_v + (tl.arange(0, KEYS) * v_token)[:, None]
    dq = tl.zeros((ROWS, 64), tl.float32)
    for first in range(0, full, KEYS):  # every row sees the whole tile
        k = tl.load(k_at + d)
        v = tl.load(v_at + d)
        s = multiply(q, tl.trans(k))
        p = tl.exp2(s * 0.18033688011112042 - lse[:, None])
        dp = multiply(dout, tl.trans(v))
        ds = p * (dp - delta[:, None])
        dq = multiply(ds.to(k.dtype), k, dq)
        k_at += KEYS * k_token
        v_at += KEYS * v_token
    for first in range(full, highest + 1, KEYS):  # the diagonal
        key = first + tl.arange(0, KEYS)
        k = tl.load(k_at + d, mask=(key < keys)[:, None], other=0.0)
        v = tl.load(v_at + d, mask=(key < keys)[:, None], other=0.0)
        s = multiply(q, tl.trans(k))
        p = tl.exp2(s * 0.18033688011112042 - lse[:, None])
        p = tl.where(key[None, :] <= last[:, None], p, 0.0)
        dp = multiply(dout, tl.trans(v))
        ds = p * (dp - delta[:, None])
        dq = multiply(ds.to(k.dtype), k, dq)
        k_at += KEYS * k_token
        v_at += KEYS * v_token
    tl.store(dq_ptr + own * 64 + place * 64 + d, dq * 0.125, mask=real[:, None])


@triton.jit(do_not_specialize=["tokens", "keys"])
def causal_backward_keys(
    q_ptr,
    k_ptr,
    v_ptr,
    dout_ptr,
    lse_ptr,
    delta_ptr,
    dk_ptr,
    dv_ptr,
    tokens,
    keys,
    q_batch,
    q_head,
    q_token,
    k_batch,
    k_head,
    k_token,
    v_batch,
    v_head,
    v_token,
    ROWS: tl.constexpr,
    KEYS: tl.constexpr,
):
    """dv = Σ p dout and dk = Σ ds q · 0.125 over all rows of the group that see a key."""
    sequence = (tl.program_id(1) // 1).to(tl.int64)
    head = (tl.program_id(1) % 1).to(tl.int64)
    first = tl.program_id(0) * KEYS
    earlier = keys - tokens  # keys before the first query
    begin = tl.maximum(first - earlier, 0) * 4  # the first row that sees any
    below = tl.maximum(first + KEYS - 1 - earlier, 0) * 4 - begin
    whole = begin + tl.cdiv(below, ROWS) * ROWS
    d = tl.arange(0, 64)[None, :]
    place_k = sequence * k_batch + head * k_head + first * k_token.to(tl.int64)
    place_v = sequence * v_batch + head * v_head + first * v_token.to(tl.int64)
    k_at = k_ptr + place_k + (tl.arange(0, KEYS) * k_token)[:, None]
    v_at = v_ptr + place_v + (tl.arange(0, KEYS) * v_token)[:, None]
    key = first + tl.arange(0, KEYS)[:, None]
    there = key < keys
    at = tl.program_id(1).to(tl.int64) * tokens * 4
    k = tl.load(k_at + d, mask=there, other=0.0)
    v = tl.load(v_at + d, mask=there, other=0.0)
    dk = tl.zeros((KEYS, 64), tl.float32)
    dv = tl.zeros((KEYS, 64), tl.float32)
    for above in range(begin, whole, ROWS):  # the diagonal
        row = above + tl.arange(0, ROWS)
        real = row < tokens * 4
        start = above // 4  # the first token of the tile
        token, member = row // 4, row % 4
        q_at = q_ptr + sequence * q_batch + head * 4 * q_head + start * q_token.to(tl.int64)
        q_at += ((token - start) * q_token + member * q_head)[:, None]
        own = (sequence * tokens + start) * 4 + head * 4
        place = ((token - start) * 4 + member)[:, None]
        lse = tl.load(lse_ptr + at + row, mask=real, other=float("inf"))
        delta = tl.load(delta_ptr + at + row, mask=real, other=0.0)
        q = tl.load(q_at + d, mask=real[:, None], other=0.0)
        dout = tl.load(dout_ptr + own * 64 + place * 64 + d, mask=real[:, None], other=0.0)
        s = multiply(k, tl.trans(q))
        last = earlier + token
        p = tl.exp2(s * 0.18033688011112042 - lse[None, :])
        p = tl.where((key <= last[None, :]) & real[None, :], p, 0.0)
        dv = multiply(p.to(dout.dtype), dout, dv)
        dp = multiply(v, tl.trans(dout))
        ds = p * (dp - delta[None, :])
        dk = multiply(ds.to(q.dtype), q, dk)
    for above in range(whole, tokens * 4, ROWS):  # every row sees the whole tile
        row = above + tl.arange(0, ROWS)
        real = row < tokens * 4
        start = above // 4  # the first token of the tile
        token, member = row // 4, row % 4
        q_at = q_ptr + sequence * q_batch + head * 4 * q_head + start * q_token.to(tl.int64)
        q_at += ((token - start) * q_token + member * q_head)[:, None]
        own = (sequence * tokens + start) * 4 + head * 4
        place = ((token - start) * 4 + member)[:, None]
        lse = tl.load(lse_ptr + at + row, mask=real, other=float("inf"))
        delta = tl.load(delta_ptr + at + row, mask=real, other=0.0)
        q = tl.load(q_at + d, mask=real[:, None], other=0.0)
        dout = tl.load(dout_ptr + own * 64 + place * 64 + d, mask=real[:, None], other=0.0)
        s = multiply(k, tl.trans(q))
        p = tl.exp2(s * 0.18033688011112042 - lse[None, :])
        dv = multiply(p.to(dout.dtype), dout, dv)
        dp = multiply(v, tl.trans(dout))
        ds = p * (dp - delta[None, :])
        dk = multiply(ds.to(q.dtype), q, dk)
    own = (sequence * keys + first) * 1 + head
    place = tl.arange(0, KEYS)[:, None]
    tl.store(dk_ptr + own * 64 + place * 64 + d, dk * 0.125, mask=there)
    tl.store(dv_ptr + own * 64 + place * 64 + d, dv, mask=there)


@triton.jit(do_not_specialize=["keys", "share"])
def causal_decode(
    q_ptr,
    k_ptr,
    v_ptr,
    part_ptr,
    part_lse_ptr,
    keys,
    share,
    q_batch,
    q_head,
    k_batch,
    k_head,
    k_token,
    v_batch,
    v_head,
    v_token,
    ROWS: tl.constexpr,
    KEYS: tl.constexpr,
):
    """One new token sees `share` of the keys: the heads of a group are the rows of one product."""
    sequence = (tl.program_id(1) // 1).to(tl.int64)
    head = (tl.program_id(1) % 1).to(tl.int64)
    row = tl.program_id(2) * ROWS + tl.arange(0, ROWS)
    real = row < 4
    query_head = head * 4 + row
    q_at = q_ptr + (sequence * q_batch + query_head * q_head)[:, None]
    begin = tl.program_id(0) * share
    end = tl.minimum(begin + share, keys)
    full = begin + (end - begin) // KEYS * KEYS
    d = tl.arange(0, 64)[None, :]
    q = tl.load(q_at + d, mask=real[:, None], other=0.0)
    place_k = sequence * k_batch + head * k_head + begin * k_token.to(tl.int64)
    place_v = sequence * v_batch + head * v_head + begin * v_token.to(tl.int64)
    k_at = k_ptr + place_k + (tl.arange(0, KEYS) * k_token)[:, None]
    v_at = v_ptr + place_v + (tl.arange(0, KEYS) * v_token)[:, None]
    top = tl.full((ROWS,), -1.0e30, tl.float32)
    total = tl.zeros((ROWS,), tl.float32)
    acc = tl.zeros((ROWS, 64), tl.float32)
    for first in range(begin, full, KEYS):  # whole tiles
        k = tl.load(k_at + d)
        v = tl.load(v_at + d)
        s = multiply(q, tl.trans(k))
        p, keep, top, total = soften(s, top, total, 0.18033688011112042)
        acc = multiply(p.to(v.dtype), v, acc * keep[:, None])
        k_at += KEYS * k_token
        v_at += KEYS * v_token
    for first in range(full, end, KEYS):  # where the keys end
        key = first + tl.arange(0, KEYS)
        k = tl.load(k_at + d, mask=(key < keys)[:, None], other=0.0)
        v = tl.load(v_at + d, mask=(key < keys)[:, None], other=0.0)
        s = multiply(q, tl.trans(k))
        s = tl.where(key[None, :] < keys, s, float("-inf"))
        p, keep, top, total = soften(s, top, total, 0.18033688011112042)
        acc = multiply(p.to(v.dtype), v, acc * keep[:, None])
        k_at += KEYS * k_token
        v_at += KEYS * v_token
    part = (tl.program_id(0) * tl.num_programs(1) + tl.program_id(1)) * 4 + row.to(tl.int64)
    tl.store(part_ptr + part[:, None] * 64 + d, acc / total[:, None], mask=real[:, None])
    tl.store(part_lse_ptr + part, top + tl.log2(total), mask=real)


@triton.jit(do_not_specialize=["parts"])
def causal_combine(
    part_ptr,
    part_lse_ptr,
    out_ptr,
    lse_ptr,
    parts,
    PARTS: tl.constexpr,
):
    """What the parts of a row give together, each weighted by its sum."""
    row = tl.program_id(0).to(tl.int64)
    at = tl.arange(0, PARTS).to(tl.int64) * tl.num_programs(0) + row
    there = tl.arange(0, PARTS) < parts
    lse = tl.load(part_lse_ptr + at, mask=there, other=float("-inf"))
    top = tl.max(lse, axis=0)
    weight = tl.exp2(lse - top)
    total = tl.sum(weight, axis=0)
    d = tl.arange(0, 64)
    values = tl.load(part_ptr + at[:, None] * 64 + d, mask=there[:, None], other=0.0)
    tl.store(out_ptr + row * 64 + d, tl.sum(values * weight[:, None], axis=0) / total)
    tl.store(lse_ptr + row, top + tl.log2(total))


class Tiles(NamedTuple):
    """How a kernel cuts its work, and what a program of it runs on."""

    rows: int
    keys: int
    warps: int
    stages: int


TILES = {  # for numbers of 16 bits
    sliding_forward: Tiles(rows=128, keys=128, warps=8, stages=2),
    sliding_backward_queries: Tiles(rows=128, keys=64, warps=8, stages=2),
    sliding_backward_keys: Tiles(rows=64, keys=128, warps=8, stages=2),
    sliding_decode: Tiles(rows=16, keys=64, warps=4, stages=3),
    causal_forward: Tiles(rows=128, keys=128, warps=8, stages=2),
    causal_backward_queries: Tiles(rows=128, keys=64, warps=8, stages=2),
    causal_backward_keys: Tiles(rows=64, keys=128, warps=8, stages=2),
    causal_decode: Tiles(rows=16, keys=64, warps=4, stages=3),
}
SMALL = Tiles(rows=16, keys=16, warps=4, stages=1)  # for float32


def _tiles(kernel: Any, like: Tensor) -> Tiles:
    return TILES[kernel] if like.element_size() == 2 else SMALL


# An AMD GPU has 64 KiB beside its cores, where one of Nvidia has 160 and more.
STAGES = 2 if torch.version.hip else 3


def _run(kernel: Any, tiles: Tiles, grid: tuple[int, ...], *arguments: Any) -> None:
    cut, stages = {"ROWS": tiles.rows, "KEYS": tiles.keys}, min(STAGES, tiles.stages)
    launch(kernel, grid, *arguments, **cut, num_warps=tiles.warps, num_stages=stages)


def _dense(x: Tensor) -> Tensor:
    """x with the numbers of a head one behind the other."""
    return x if x.stride(3) == 1 else x.contiguous()


GLUON = WANTED == "gluon"  # in the environment; no GPU has run those kernels yet


def use_gluon(x: Tensor) -> bool:
    """Whether the kernels for sm_90 are wanted, and take this tensor."""
    if not GLUON or torch.version.hip or x.element_size() != 2:
        return False
    return torch.cuda.get_device_capability(x.device) == (9, 0)


def _strides(*tensors: Tensor) -> list[int]:
    return [step for x in tensors for step in x.stride()[:3]]


def _empty(like: Tensor, width: int) -> Tensor:
    """(B, H, T, width), with the heads of a token together in memory."""
    batch, heads, tokens, _ = like.shape
    return like.new_empty(batch, tokens, heads, width).transpose(1, 2)


PARTS = 64  # of one row's keys at most


def _parts(rows: int, keys: int, tile: int, device: torch.device) -> int:
    """Into how many parts the keys go, so that every processor has work, of some tiles each."""
    processors = (
        torch.cuda.get_device_properties(device).multi_processor_count
        if device.type == "cuda"
        else 4
    )
    return max(1, min(PARTS, pieces(2 * processors, rows), pieces(keys, 2 * tile)))


def sliding(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """(B, 4, T, 32), (B, 2, S, 32) and (B, 2, S, 32) → (B, 4, T, 32): a token sees the last 32.

    The queries are the last T of S tokens; a single one sees all that is there.
    """
    attend = _sliding_decode if q.shape[2] == 1 else _sliding
    return attend(q, k, v)[0]


@torch.library.custom_op(f"{NAMESPACE}::attention_sliding", mutates_args=())
def _sliding(q: Tensor, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
    q, k, v = _dense(q), _dense(k), _dense(v)
    (batch, _, tokens, _), keys = q.shape, k.shape[2]
    out = _empty(q, 32)
    lse = q.new_empty(batch, 2, tokens * 2, dtype=torch.float32)
    tiles = _tiles(sliding_forward, q)
    grid = (pieces(tokens * 2, tiles.rows), batch * 2)
    tensors = (q, k, v, out, lse)
    _run(sliding_forward, tiles, grid, *tensors, tokens, keys, *_strides(q, k, v))
    return out, lse


@_sliding.register_fake
def _(q: Tensor, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
    lse = q.new_empty(q.shape[0], 2, q.shape[2] * 2, dtype=torch.float32)
    return _empty(q, 32), lse


@torch.library.custom_op(f"{NAMESPACE}::attention_sliding_backward", mutates_args=())
def _sliding_backward(
    dout: Tensor, q: Tensor, k: Tensor, v: Tensor, out: Tensor, lse: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    q, k, v = _dense(q), _dense(k), _dense(v)
    dout = dout.transpose(1, 2).contiguous()
    batch, tokens, keys = q.shape[0], q.shape[2], k.shape[2]
    dq, dk, dv = _empty(q, 32), _empty(k, 32), _empty(v, 32)
    delta = torch.empty_like(lse)
    heads = batch * 2
    counts = (tokens, keys, *_strides(q, k, v))
    tiles = _tiles(sliding_backward_queries, q)
    grid = (pieces(tokens * 2, tiles.rows), heads)
    tensors = (q, k, v, out, dout, lse, delta, dq)
    _run(sliding_backward_queries, tiles, grid, *tensors, *counts)
    tiles = _tiles(sliding_backward_keys, q)
    grid = (pieces(keys, tiles.keys), heads)
    tensors = (q, k, v, dout, lse, delta, dk, dv)
    _run(sliding_backward_keys, tiles, grid, *tensors, *counts)
    return dq, dk, dv


@_sliding_backward.register_fake
def _(dout, q, k, v, out, lse):
    return _empty(q, 32), _empty(k, 32), _empty(v, 32)


def _save_sliding(ctx, inputs, output):
    ctx.save_for_backward(*inputs, *output)
    ctx.mark_non_differentiable(output[1])


def _grads_sliding(ctx, dout, _):
    grads = _sliding_backward(dout, *ctx.saved_tensors)
    return grads


_sliding.register_autograd(_grads_sliding, setup_context=_save_sliding)


@torch.library.custom_op(f"{NAMESPACE}::attention_sliding_decode", mutates_args=())
def _sliding_decode(q: Tensor, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
    """One query for each head, which sees every key."""
    q, k, v = _dense(q), _dense(k), _dense(v)
    batch, keys = q.shape[0], k.shape[2]
    heads, tiles = batch * 2, _tiles(sliding_decode, q)
    parts = _parts(heads, keys, tiles.keys, q.device)
    share = pieces(pieces(keys, parts), tiles.keys) * tiles.keys
    parts = pieces(keys, share)
    part = q.new_empty(parts, batch, 4, 32, dtype=torch.float32)
    part_lse = q.new_empty(parts, batch, 4, dtype=torch.float32)
    steps = (q.stride(0), q.stride(1), *_strides(k, v))
    grid = (parts, heads, pieces(2, tiles.rows))
    _run(sliding_decode, tiles, grid, q, k, v, part, part_lse, keys, share, *steps)
    out, lse = _empty(q, 32), q.new_empty(batch, 2, 2, dtype=torch.float32)
    grid = (batch * 4,)
    launch(sliding_combine, grid, part, part_lse, out, lse, parts, PARTS=PARTS)
    return out, lse


@_sliding_decode.register_fake
def _(q: Tensor, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
    lse = q.new_empty(q.shape[0], 2, 2, dtype=torch.float32)
    return _empty(q, 32), lse


def _save_sliding_decode(ctx, inputs, output):
    ctx.save_for_backward(*inputs, *output)
    ctx.mark_non_differentiable(output[1])


def _grads_sliding_decode(ctx, dout, _):
    grads = _sliding_backward(dout, *ctx.saved_tensors)
    return grads


_sliding_decode.register_autograd(_grads_sliding_decode, setup_context=_save_sliding_decode)


def causal(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """(B, 4, T, 64), (B, 1, S, 64) and (B, 1, S, 64) → (B, 4, T, 64): a token sees all before it.

    The queries are the last T of S tokens; a single one sees all that is there.
    """
    attend = _causal_decode if q.shape[2] == 1 else _causal
    return attend(q, k, v)[0]


@torch.library.custom_op(f"{NAMESPACE}::attention_causal", mutates_args=())
def _causal(q: Tensor, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
    if use_gluon(q):
        from . import attention_hopper_kernels as hopper

        return hopper.attention("causal", q, k, v, [], [])

    q, k, v = _dense(q), _dense(k), _dense(v)
    (batch, _, tokens, _), keys = q.shape, k.shape[2]
    out = _empty(q, 64)
    lse = q.new_empty(batch, 1, tokens * 4, dtype=torch.float32)
    tiles = _tiles(causal_forward, q)
    grid = (pieces(tokens * 4, tiles.rows), batch)
    tensors = (q, k, v, out, lse)
    _run(causal_forward, tiles, grid, *tensors, tokens, keys, *_strides(q, k, v))
    return out, lse


@_causal.register_fake
def _(q: Tensor, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
    lse = q.new_empty(q.shape[0], 1, q.shape[2] * 4, dtype=torch.float32)
    return _empty(q, 64), lse


@torch.library.custom_op(f"{NAMESPACE}::attention_causal_backward", mutates_args=())
def _causal_backward(
    dout: Tensor, q: Tensor, k: Tensor, v: Tensor, out: Tensor, lse: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    q, k, v = _dense(q), _dense(k), _dense(v)
    dout = dout.transpose(1, 2).contiguous()
    batch, tokens, keys = q.shape[0], q.shape[2], k.shape[2]
    dq, dk, dv = _empty(q, 64), _empty(k, 64), _empty(v, 64)
    delta = torch.empty_like(lse)
    heads = batch
    counts = (tokens, keys, *_strides(q, k, v))
    tiles = _tiles(causal_backward_queries, q)
    grid = (pieces(tokens * 4, tiles.rows), heads)
    tensors = (q, k, v, out, dout, lse, delta, dq)
    _run(causal_backward_queries, tiles, grid, *tensors, *counts)
    tiles = _tiles(causal_backward_keys, q)
    grid = (pieces(keys, tiles.keys), heads)
    tensors = (q, k, v, dout, lse, delta, dk, dv)
    _run(causal_backward_keys, tiles, grid, *tensors, *counts)
    return dq, dk, dv


@_causal_backward.register_fake
def _(dout, q, k, v, out, lse):
    return _empty(q, 64), _empty(k, 64), _empty(v, 64)


def _save_causal(ctx, inputs, output):
    ctx.save_for_backward(*inputs, *output)
    ctx.mark_non_differentiable(output[1])


def _grads_causal(ctx, dout, _):
    grads = _causal_backward(dout, *ctx.saved_tensors)
    return grads


_causal.register_autograd(_grads_causal, setup_context=_save_causal)


@torch.library.custom_op(f"{NAMESPACE}::attention_causal_decode", mutates_args=())
def _causal_decode(q: Tensor, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
    """One query for each head, which sees every key."""
    q, k, v = _dense(q), _dense(k), _dense(v)
    batch, keys = q.shape[0], k.shape[2]
    heads, tiles = batch, _tiles(causal_decode, q)
    parts = _parts(heads, keys, tiles.keys, q.device)
    share = pieces(pieces(keys, parts), tiles.keys) * tiles.keys
    parts = pieces(keys, share)
    part = q.new_empty(parts, batch, 4, 64, dtype=torch.float32)
    part_lse = q.new_empty(parts, batch, 4, dtype=torch.float32)
    steps = (q.stride(0), q.stride(1), *_strides(k, v))
    grid = (parts, heads, pieces(4, tiles.rows))
    _run(causal_decode, tiles, grid, q, k, v, part, part_lse, keys, share, *steps)
    out, lse = _empty(q, 64), q.new_empty(batch, 1, 4, dtype=torch.float32)
    grid = (batch * 4,)
    launch(causal_combine, grid, part, part_lse, out, lse, parts, PARTS=PARTS)
    return out, lse


@_causal_decode.register_fake
def _(q: Tensor, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
    lse = q.new_empty(q.shape[0], 1, 4, dtype=torch.float32)
    return _empty(q, 64), lse


def _save_causal_decode(ctx, inputs, output):
    ctx.save_for_backward(*inputs, *output)
    ctx.mark_non_differentiable(output[1])


def _grads_causal_decode(ctx, dout, _):
    grads = _causal_backward(dout, *ctx.saved_tensors)
    return grads


_causal_decode.register_autograd(_grads_causal_decode, setup_context=_save_causal_decode)


def variants() -> list[Variant]:
    """The kernels as this model launches them, in bfloat16."""
    found: list[Variant] = []
    for kernel, tiles in TILES.items():
        cut = {"ROWS": tiles.rows, "KEYS": tiles.keys}
        found.append(_variant(kernel, cut, tiles.warps, tiles.stages))
    found.append(_variant(sliding_combine, {"PARTS": PARTS}, 4, 1))
    found.append(_variant(causal_combine, {"PARTS": PARTS}, 4, 1))
    return found


FLOAT32 = ("lse_ptr", "delta_ptr", "slopes_ptr", "part_ptr", "part_lse_ptr")


def _variant(kernel: Any, constants: dict[str, int], warps: int, stages: int) -> Variant:
    signature: dict[str, str] = {}
    for name in kernel.arg_names:
        if name.endswith("_ptr"):
            signature[name] = "*fp32" if name in FLOAT32 else "*bf16"
        else:
            signature[name] = "constexpr" if name.isupper() else "i32"
    even = tuple(n for n in signature if n.endswith(("_ptr", "_batch", "_head", "_token")))
    return Variant(kernel.__name__, kernel, signature, constants, warps, stages, even)
