# Built by archspec 0.1.0 from parallel.yaml; edit the spec and build again.
"""Softmax attention in Triton, made for the shapes of parallel.

tokens   T, new tokens of a text, the last of its keys
keys     S, keys up to the last token
row      one query head of one token: the G heads that share a key-value head lie side by side, so
         that a tile of rows reads each key once for all of them; row r is token r // G
pair     a sequence and a key-value head; the programs of all pairs lie in one dimension of a grid,
         as the others end at 65,535
ROWS     rows that a program has in hand at once; KEYS, keys of a tile
since, last
         the first and the last key that a row sees
begin, edge, full
         where the tiles of keys begin, the first that every row sees whole, and one after the last
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
HEADS, query heads, of which GROUP share keys; SCALE, of products
bounds   (B, 2, T), None where a row is one text: the slots where the text of each
         token opens and where it closes; padding is a text of its own
"""

from __future__ import annotations

from typing import Any, NamedTuple

import triton
import triton.language as tl
from torch import Tensor

LOG2_E = tl.constexpr(1.4426950408889634)


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
def causal_forward(
    q_ptr, k_ptr, v_ptr, out_ptr, lse_ptr, bounds_ptr, tokens, keys,
    q_batch, q_head, q_token, k_batch, k_head, k_token, v_batch, v_head, v_token,
    ROWS: tl.constexpr, KEYS: tl.constexpr,
    HEADS: tl.constexpr, GROUP: tl.constexpr, SCALE: tl.constexpr,
):  # fmt: skip
    """out = softmax(q kᵀ · SCALE) v, and lse: a token sees all up to itself."""
    tiles = tl.cdiv(tokens * GROUP, ROWS)
    pair = tl.program_id(0) // tiles
    sequence = (pair // (HEADS // GROUP)).to(tl.int64)
    head = (pair % (HEADS // GROUP)).to(tl.int64)
    tile = tiles - 1 - tl.program_id(0) % tiles  # what has most to do comes first

    row = tile * ROWS + tl.arange(0, ROWS)
    real = row < tokens * GROUP
    start = tile * ROWS // GROUP  # the first token of the tile
    token, member = row // GROUP, row % GROUP
    q_at = q_ptr + sequence * q_batch + head * GROUP * q_head + start * q_token.to(tl.int64)
    q_at += ((token - start) * q_token + member * q_head)[:, None]
    own = (sequence * tokens + start) * HEADS + head * GROUP
    place = ((token - start) * HEADS + member)[:, None]
    earlier = keys - tokens  # keys before the first query
    last = earlier + token  # the last key a row sees, its own
    lowest = earlier + start
    highest = earlier + tl.minimum((tile * ROWS + ROWS - 1) // GROUP, tokens - 1)
    begin, edge = 0, 0
    if bounds_ptr is not None:  # no key in front of a row's text
        opens_at = bounds_ptr + 2 * sequence * tokens
        begin = tl.load(opens_at + lowest)
        since = tl.load(opens_at + last, mask=real, other=0)
        far = tl.load(opens_at + highest)
        edge = begin + tl.cdiv(far - begin, KEYS) * KEYS
    full = tl.maximum(begin + tl.maximum(lowest + 1 - begin, 0) // KEYS * KEYS, edge)
    d = tl.arange(0, 32)[None, :]
    q = tl.load(q_at + d, mask=real[:, None], other=0.0)
    place_k = sequence * k_batch + head * k_head + begin * k_token.to(tl.int64)
    k_at = k_ptr + place_k + (tl.arange(0, KEYS) * k_token)[:, None]
    place_v = sequence * v_batch + head * v_head + begin * v_token.to(tl.int64)
    v_at = v_ptr + place_v + (tl.arange(0, KEYS) * v_token)[:, None]
    top = tl.full((ROWS,), -1.0e30, tl.float32)  # finite: a row may see none of its first keys
    total = tl.zeros((ROWS,), tl.float32)
    acc = tl.zeros((ROWS, 32), tl.float32)
    for first in range(begin, edge, KEYS):  # only some rows see as far back
        key = first + tl.arange(0, KEYS)
        k = tl.load(k_at + d, mask=(key < keys)[:, None], other=0.0)
        v = tl.load(v_at + d, mask=(key < keys)[:, None], other=0.0)
        s = multiply(q, tl.trans(k))
        seen = key[None, :] <= last[:, None]
        if bounds_ptr is not None:
            seen &= key[None, :] >= since[:, None]
        s = tl.where(seen, s, float("-inf"))
        p, keep, top, total = soften(s, top, total, SCALE * LOG2_E)
        acc = multiply(p.to(v.dtype), v, acc * keep[:, None])
        k_at += KEYS * k_token
        v_at += KEYS * v_token
    for first in range(edge, full, KEYS):  # every row sees the whole tile
        k = tl.load(k_at + d)
        v = tl.load(v_at + d)
        s = multiply(q, tl.trans(k))
        p, keep, top, total = soften(s, top, total, SCALE * LOG2_E)
        acc = multiply(p.to(v.dtype), v, acc * keep[:, None])
        k_at += KEYS * k_token
        v_at += KEYS * v_token
    for first in range(full, highest + 1, KEYS):  # the diagonal
        key = first + tl.arange(0, KEYS)
        k = tl.load(k_at + d, mask=(key < keys)[:, None], other=0.0)
        v = tl.load(v_at + d, mask=(key < keys)[:, None], other=0.0)
        s = multiply(q, tl.trans(k))
        seen = key[None, :] <= last[:, None]
        if bounds_ptr is not None:
            seen &= key[None, :] >= since[:, None]
        s = tl.where(seen, s, float("-inf"))
        p, keep, top, total = soften(s, top, total, SCALE * LOG2_E)
        acc = multiply(p.to(v.dtype), v, acc * keep[:, None])
        k_at += KEYS * k_token
        v_at += KEYS * v_token
    tl.store(out_ptr + own * 32 + place * 32 + d, acc / total[:, None], mask=real[:, None])
    tl.store(lse_ptr + pair.to(tl.int64) * tokens * GROUP + row, top + tl.log2(total), mask=real)


@triton.jit(do_not_specialize=["tokens", "keys"])
def causal_backward_queries(
    q_ptr, k_ptr, v_ptr, out_ptr, dout_ptr, lse_ptr, delta_ptr, dq_ptr, bounds_ptr, tokens, keys,
    q_batch, q_head, q_token, k_batch, k_head, k_token, v_batch, v_head, v_token,
    ROWS: tl.constexpr, KEYS: tl.constexpr,
    HEADS: tl.constexpr, GROUP: tl.constexpr, SCALE: tl.constexpr,
):  # fmt: skip
    """dq = Σ ds k · SCALE with ds = p (dout · v − delta); leaves delta = out · dout."""
    tiles = tl.cdiv(tokens * GROUP, ROWS)
    pair = tl.program_id(0) // tiles
    sequence = (pair // (HEADS // GROUP)).to(tl.int64)
    head = (pair % (HEADS // GROUP)).to(tl.int64)
    tile = tiles - 1 - tl.program_id(0) % tiles  # what has most to do comes first

    row = tile * ROWS + tl.arange(0, ROWS)
    real = row < tokens * GROUP
    start = tile * ROWS // GROUP  # the first token of the tile
    token, member = row // GROUP, row % GROUP
    q_at = q_ptr + sequence * q_batch + head * GROUP * q_head + start * q_token.to(tl.int64)
    q_at += ((token - start) * q_token + member * q_head)[:, None]
    own = (sequence * tokens + start) * HEADS + head * GROUP
    place = ((token - start) * HEADS + member)[:, None]
    earlier = keys - tokens  # keys before the first query
    last = earlier + token  # the last key a row sees, its own
    lowest = earlier + start
    highest = earlier + tl.minimum((tile * ROWS + ROWS - 1) // GROUP, tokens - 1)
    begin, edge = 0, 0
    if bounds_ptr is not None:  # no key in front of a row's text
        opens_at = bounds_ptr + 2 * sequence * tokens
        begin = tl.load(opens_at + lowest)
        since = tl.load(opens_at + last, mask=real, other=0)
        far = tl.load(opens_at + highest)
        edge = begin + tl.cdiv(far - begin, KEYS) * KEYS
    full = tl.maximum(begin + tl.maximum(lowest + 1 - begin, 0) // KEYS * KEYS, edge)
    d = tl.arange(0, 32)[None, :]
    q = tl.load(q_at + d, mask=real[:, None], other=0.0)
    dout = tl.load(dout_ptr + own * 32 + place * 32 + d, mask=real[:, None], other=0.0)
    out = tl.load(out_ptr + own * 32 + place * 32 + d, mask=real[:, None], other=0.0)
    delta = tl.sum(out.to(tl.float32) * dout, axis=1)
    at = pair.to(tl.int64) * tokens * GROUP
    tl.store(delta_ptr + at + row, delta, mask=real)
    lse = tl.load(lse_ptr + at + row, mask=real, other=float("inf"))
    place_k = sequence * k_batch + head * k_head + begin * k_token.to(tl.int64)
    k_at = k_ptr + place_k + (tl.arange(0, KEYS) * k_token)[:, None]
    place_v = sequence * v_batch + head * v_head + begin * v_token.to(tl.int64)
    v_at = v_ptr + place_v + (tl.arange(0, KEYS) * v_token)[:, None]
    dq = tl.zeros((ROWS, 32), tl.float32)
    for first in range(begin, edge, KEYS):  # only some rows see as far back
        key = first + tl.arange(0, KEYS)
        k = tl.load(k_at + d, mask=(key < keys)[:, None], other=0.0)
        v = tl.load(v_at + d, mask=(key < keys)[:, None], other=0.0)
        s = multiply(q, tl.trans(k))
        p = tl.exp2(s * (SCALE * LOG2_E) - lse[:, None])
        seen = key[None, :] <= last[:, None]
        if bounds_ptr is not None:
            seen &= key[None, :] >= since[:, None]
        p = tl.where(seen, p, 0.0)
        dp = multiply(dout, tl.trans(v))
        ds = p * (dp - delta[:, None])
        dq = multiply(ds.to(k.dtype), k, dq)
        k_at += KEYS * k_token
        v_at += KEYS * v_token
    for first in range(edge, full, KEYS):  # every row sees the whole tile
        k = tl.load(k_at + d)
        v = tl.load(v_at + d)
        s = multiply(q, tl.trans(k))
        p = tl.exp2(s * (SCALE * LOG2_E) - lse[:, None])
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
        p = tl.exp2(s * (SCALE * LOG2_E) - lse[:, None])
        seen = key[None, :] <= last[:, None]
        if bounds_ptr is not None:
            seen &= key[None, :] >= since[:, None]
        p = tl.where(seen, p, 0.0)
        dp = multiply(dout, tl.trans(v))
        ds = p * (dp - delta[:, None])
        dq = multiply(ds.to(k.dtype), k, dq)
        k_at += KEYS * k_token
        v_at += KEYS * v_token
    tl.store(dq_ptr + own * 32 + place * 32 + d, dq * SCALE, mask=real[:, None])


@triton.jit(do_not_specialize=["tokens", "keys"])
def causal_backward_keys(
    q_ptr, k_ptr, v_ptr, dout_ptr, lse_ptr, delta_ptr, dk_ptr, dv_ptr, bounds_ptr, tokens, keys,
    q_batch, q_head, q_token, k_batch, k_head, k_token, v_batch, v_head, v_token,
    ROWS: tl.constexpr, KEYS: tl.constexpr,
    HEADS: tl.constexpr, GROUP: tl.constexpr, SCALE: tl.constexpr,
):  # fmt: skip
    """dv = Σ p dout and dk = Σ ds q · SCALE over all rows of the group that see a key."""
    tiles = tl.cdiv(keys, KEYS)
    pair = tl.program_id(0) // tiles
    sequence = (pair // (HEADS // GROUP)).to(tl.int64)
    head = (pair % (HEADS // GROUP)).to(tl.int64)
    first = tl.program_id(0) % tiles * KEYS
    earlier = keys - tokens  # keys before the first query
    final = tl.minimum(first + KEYS, keys) - 1
    begin = tl.maximum(first - earlier, 0) * GROUP  # the first row that sees any
    end = tokens * GROUP
    if bounds_ptr is not None:  # no row beyond the texts of these keys
        opens_at = bounds_ptr + 2 * sequence * tokens
        closes_at = opens_at + tokens
        end = tl.load(closes_at + final) * GROUP
    below = tl.maximum(first + KEYS - 1 - earlier, 0) * GROUP - begin
    whole = begin + tl.cdiv(tl.maximum(below, 0), ROWS) * ROWS
    full = end
    if bounds_ptr is not None:
        until = tl.load(closes_at + first) * GROUP
        full = whole + tl.maximum(until - whole, 0) // ROWS * ROWS
    d = tl.arange(0, 32)[None, :]
    place_k = sequence * k_batch + head * k_head + first * k_token.to(tl.int64)
    k_at = k_ptr + place_k + (tl.arange(0, KEYS) * k_token)[:, None]
    place_v = sequence * v_batch + head * v_head + first * v_token.to(tl.int64)
    v_at = v_ptr + place_v + (tl.arange(0, KEYS) * v_token)[:, None]
    key = first + tl.arange(0, KEYS)[:, None]
    there = key < keys
    at = pair.to(tl.int64) * tokens * GROUP
    k = tl.load(k_at + d, mask=there, other=0.0)
    v = tl.load(v_at + d, mask=there, other=0.0)
    dk = tl.zeros((KEYS, 32), tl.float32)
    dv = tl.zeros((KEYS, 32), tl.float32)
    for above in range(begin, whole, ROWS):  # the diagonal
        row = above + tl.arange(0, ROWS)
        real = row < tokens * GROUP
        start = above // GROUP  # the first token of the tile
        token, member = row // GROUP, row % GROUP
        q_at = q_ptr + sequence * q_batch + head * GROUP * q_head + start * q_token.to(tl.int64)
        q_at += ((token - start) * q_token + member * q_head)[:, None]
        own = (sequence * tokens + start) * HEADS + head * GROUP
        place = ((token - start) * HEADS + member)[:, None]
        lse = tl.load(lse_ptr + at + row, mask=real, other=float("inf"))
        q = tl.load(q_at + d, mask=real[:, None], other=0.0)
        dout = tl.load(dout_ptr + own * 32 + place * 32 + d, mask=real[:, None], other=0.0)
        s = multiply(k, tl.trans(q))
        last = earlier + token
        if bounds_ptr is not None:
            since = tl.load(opens_at + last, mask=real, other=0)
        p = tl.exp2(s * (SCALE * LOG2_E) - lse[None, :])
        seen = (key <= last[None, :]) & real[None, :]
        if bounds_ptr is not None:
            seen &= key >= since[None, :]
        p = tl.where(seen, p, 0.0)
        dv = multiply(p.to(dout.dtype), dout, dv)
        dp = multiply(v, tl.trans(dout))
        delta = tl.load(delta_ptr + at + row, mask=real, other=0.0)
        ds = p * (dp - delta[None, :])
        dk = multiply(ds.to(q.dtype), q, dk)
    for above in range(whole, full, ROWS):  # every row sees the whole tile
        row = above + tl.arange(0, ROWS)
        real = row < tokens * GROUP
        start = above // GROUP  # the first token of the tile
        token, member = row // GROUP, row % GROUP
        q_at = q_ptr + sequence * q_batch + head * GROUP * q_head + start * q_token.to(tl.int64)
        q_at += ((token - start) * q_token + member * q_head)[:, None]
        own = (sequence * tokens + start) * HEADS + head * GROUP
        place = ((token - start) * HEADS + member)[:, None]
        lse = tl.load(lse_ptr + at + row, mask=real, other=float("inf"))
        q = tl.load(q_at + d, mask=real[:, None], other=0.0)
        dout = tl.load(dout_ptr + own * 32 + place * 32 + d, mask=real[:, None], other=0.0)
        s = multiply(k, tl.trans(q))
        p = tl.exp2(s * (SCALE * LOG2_E) - lse[None, :])
        dv = multiply(p.to(dout.dtype), dout, dv)
        dp = multiply(v, tl.trans(dout))
        delta = tl.load(delta_ptr + at + row, mask=real, other=0.0)
        ds = p * (dp - delta[None, :])
        dk = multiply(ds.to(q.dtype), q, dk)
    for above in range(full, end, ROWS):  # only some rows see as far back
        row = above + tl.arange(0, ROWS)
        real = row < tokens * GROUP
        start = above // GROUP  # the first token of the tile
        token, member = row // GROUP, row % GROUP
        q_at = q_ptr + sequence * q_batch + head * GROUP * q_head + start * q_token.to(tl.int64)
        q_at += ((token - start) * q_token + member * q_head)[:, None]
        own = (sequence * tokens + start) * HEADS + head * GROUP
        place = ((token - start) * HEADS + member)[:, None]
        lse = tl.load(lse_ptr + at + row, mask=real, other=float("inf"))
        q = tl.load(q_at + d, mask=real[:, None], other=0.0)
        dout = tl.load(dout_ptr + own * 32 + place * 32 + d, mask=real[:, None], other=0.0)
        s = multiply(k, tl.trans(q))
        last = earlier + token
        if bounds_ptr is not None:
            since = tl.load(opens_at + last, mask=real, other=0)
        p = tl.exp2(s * (SCALE * LOG2_E) - lse[None, :])
        seen = (key <= last[None, :]) & real[None, :]
        if bounds_ptr is not None:
            seen &= key >= since[None, :]
        p = tl.where(seen, p, 0.0)
        dv = multiply(p.to(dout.dtype), dout, dv)
        dp = multiply(v, tl.trans(dout))
        delta = tl.load(delta_ptr + at + row, mask=real, other=0.0)
        ds = p * (dp - delta[None, :])
        dk = multiply(ds.to(q.dtype), q, dk)
    own = (sequence * keys + first) * (HEADS // GROUP) + head
    place = tl.arange(0, KEYS)[:, None] * (HEADS // GROUP)
    tl.store(dk_ptr + own * 32 + place * 32 + d, dk * SCALE, mask=there)
    tl.store(dv_ptr + own * 32 + place * 32 + d, dv, mask=there)


class Tiles(NamedTuple):
    """How a kernel cuts its work, and what a program of it runs on."""

    rows: int
    keys: int
    warps: int
    stages: int

    def options(self) -> dict[str, int]:
        """As a kernel is launched with it."""
        return {
            "ROWS": self.rows,
            "KEYS": self.keys,
            "num_warps": self.warps,
            "num_stages": self.stages,
        }


TILES = {  # for numbers of 16 bits, by kinds of GPUs
    "sm_80": {
        causal_forward: Tiles(rows=64, keys=64, warps=4, stages=3),
        causal_backward_queries: Tiles(rows=128, keys=64, warps=8, stages=2),
        causal_backward_keys: Tiles(rows=32, keys=128, warps=8, stages=2),
    },
    "sm_89": {
        causal_forward: Tiles(rows=64, keys=64, warps=4, stages=3),
        causal_backward_queries: Tiles(rows=128, keys=64, warps=8, stages=2),
        causal_backward_keys: Tiles(rows=32, keys=128, warps=8, stages=2),
    },
    "sm_90": {
        causal_forward: Tiles(rows=128, keys=128, warps=8, stages=2),
        causal_backward_queries: Tiles(rows=128, keys=64, warps=8, stages=2),
        causal_backward_keys: Tiles(rows=64, keys=128, warps=8, stages=2),
    },
    "sm_100": {
        causal_forward: Tiles(rows=128, keys=128, warps=8, stages=2),
        causal_backward_queries: Tiles(rows=128, keys=64, warps=8, stages=2),
        causal_backward_keys: Tiles(rows=64, keys=128, warps=8, stages=2),
    },
    "gfx942": {
        causal_forward: Tiles(rows=128, keys=64, warps=4, stages=1),
        causal_backward_queries: Tiles(rows=64, keys=64, warps=4, stages=1),
        causal_backward_keys: Tiles(rows=32, keys=128, warps=4, stages=1),
    },
}
SMALL = Tiles(rows=16, keys=16, warps=4, stages=1)  # for float32


def dense(x: Tensor) -> Tensor:
    """x with the numbers of a head one behind the other."""
    return x if x.stride(3) == 1 else x.contiguous()


def constants(kernel: Any, heads: int, kv_heads: int, numbers: dict[str, Any]) -> dict[str, Any]:
    """What a kernel is compiled for: heads, and of the numbers of a call those that it takes."""
    group = heads // kv_heads
    if group > 1 and "SCALE" in kernel.arg_names and "GROUP" not in kernel.arg_names:
        raise ValueError(f"{heads} heads share {kv_heads}; these kernels are for heads that do not")
    own = {"HEADS": heads, "GROUP": group} | numbers
    return {name: value for name, value in own.items() if name in kernel.arg_names}
