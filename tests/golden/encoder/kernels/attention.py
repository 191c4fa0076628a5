# Built by archspec 0.1.0 from encoder.yaml; edit the spec and build again.
"""Softmax attention in Triton, made for the shapes of encoder.

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
HEADS, query heads; SCALE, of products
bounds   (B, 2), None without padding: the slot where a text opens, and the one where it closes
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
def bidirectional_forward(
    q_ptr, k_ptr, v_ptr, out_ptr, lse_ptr, bounds_ptr, tokens, keys,
    q_batch, q_head, q_token, k_batch, k_head, k_token, v_batch, v_head, v_token,
    ROWS: tl.constexpr, KEYS: tl.constexpr,
    HEADS: tl.constexpr, SCALE: tl.constexpr,
):  # fmt: skip
    """out = softmax(q kᵀ · SCALE) v, and lse: a token sees every key."""
    tiles = tl.cdiv(tokens, ROWS)
    pair = tl.program_id(0) // tiles
    sequence = (pair // HEADS).to(tl.int64)
    head = (pair % HEADS).to(tl.int64)
    tile = tiles - 1 - tl.program_id(0) % tiles  # what has most to do comes first

    row = tile * ROWS + tl.arange(0, ROWS)
    real = row < tokens
    q_at = q_ptr + sequence * q_batch + head * q_head + tile * ROWS * q_token.to(tl.int64)
    q_at += (tl.arange(0, ROWS) * q_token)[:, None]
    own = (sequence * tokens + tile * ROWS) * HEADS + head
    place = (tl.arange(0, ROWS) * HEADS)[:, None]
    opens, closes = 0, keys  # where the text begins and ends
    if bounds_ptr is not None:
        opens = tl.load(bounds_ptr + 2 * sequence)
        closes = tl.load(bounds_ptr + 2 * sequence + 1)
    full = opens + (closes - opens) // KEYS * KEYS
    d = tl.arange(0, 16)[None, :]
    q = tl.load(q_at + d, mask=real[:, None], other=0.0)
    place_k = sequence * k_batch + head * k_head + opens * k_token.to(tl.int64)
    k_at = k_ptr + place_k + (tl.arange(0, KEYS) * k_token)[:, None]
    place_v = sequence * v_batch + head * v_head + opens * v_token.to(tl.int64)
    v_at = v_ptr + place_v + (tl.arange(0, KEYS) * v_token)[:, None]
    top = tl.full((ROWS,), -1.0e30, tl.float32)  # finite: a row may see none of its first keys
    total = tl.zeros((ROWS,), tl.float32)
    acc = tl.zeros((ROWS, 16), tl.float32)
    for first in range(opens, full, KEYS):  # every row sees the whole tile
        k = tl.load(k_at + d)
        v = tl.load(v_at + d)
        s = multiply(q, tl.trans(k))
        p, keep, top, total = soften(s, top, total, SCALE * LOG2_E)
        acc = multiply(p.to(v.dtype), v, acc * keep[:, None])
        k_at += KEYS * k_token
        v_at += KEYS * v_token
    for first in range(full, closes, KEYS):  # where the keys end
        key = first + tl.arange(0, KEYS)
        k = tl.load(k_at + d, mask=(key < keys)[:, None], other=0.0)
        v = tl.load(v_at + d, mask=(key < keys)[:, None], other=0.0)
        s = multiply(q, tl.trans(k))
        s = tl.where(key[None, :] < closes, s, float("-inf"))
        p, keep, top, total = soften(s, top, total, SCALE * LOG2_E)
        acc = multiply(p.to(v.dtype), v, acc * keep[:, None])
        k_at += KEYS * k_token
        v_at += KEYS * v_token
    if bounds_ptr is not None:  # what is not of the text gives nothing
        total = tl.where(closes > opens, total, float("inf"))
    tl.store(out_ptr + own * 16 + place * 16 + d, acc / total[:, None], mask=real[:, None])
    tl.store(lse_ptr + pair.to(tl.int64) * tokens + row, top + tl.log2(total), mask=real)


@triton.jit(do_not_specialize=["tokens", "keys"])
def bidirectional_backward_queries(
    q_ptr, k_ptr, v_ptr, out_ptr, dout_ptr, lse_ptr, delta_ptr, dq_ptr, bounds_ptr, tokens, keys,
    q_batch, q_head, q_token, k_batch, k_head, k_token, v_batch, v_head, v_token,
    ROWS: tl.constexpr, KEYS: tl.constexpr,
    HEADS: tl.constexpr, SCALE: tl.constexpr,
):  # fmt: skip
    """dq = Σ ds k · SCALE with ds = p (dout · v − delta); leaves delta = out · dout."""
    tiles = tl.cdiv(tokens, ROWS)
    pair = tl.program_id(0) // tiles
    sequence = (pair // HEADS).to(tl.int64)
    head = (pair % HEADS).to(tl.int64)
    tile = tiles - 1 - tl.program_id(0) % tiles  # what has most to do comes first

    row = tile * ROWS + tl.arange(0, ROWS)
    real = row < tokens
    q_at = q_ptr + sequence * q_batch + head * q_head + tile * ROWS * q_token.to(tl.int64)
    q_at += (tl.arange(0, ROWS) * q_token)[:, None]
    own = (sequence * tokens + tile * ROWS) * HEADS + head
    place = (tl.arange(0, ROWS) * HEADS)[:, None]
    opens, closes = 0, keys  # where the text begins and ends
    if bounds_ptr is not None:
        opens = tl.load(bounds_ptr + 2 * sequence)
        closes = tl.load(bounds_ptr + 2 * sequence + 1)
    full = opens + (closes - opens) // KEYS * KEYS
    d = tl.arange(0, 16)[None, :]
    q = tl.load(q_at + d, mask=real[:, None], other=0.0)
    dout = tl.load(dout_ptr + own * 16 + place * 16 + d, mask=real[:, None], other=0.0)
    out = tl.load(out_ptr + own * 16 + place * 16 + d, mask=real[:, None], other=0.0)
    delta = tl.sum(out.to(tl.float32) * dout, axis=1)
    at = pair.to(tl.int64) * tokens
    tl.store(delta_ptr + at + row, delta, mask=real)
    lse = tl.load(lse_ptr + at + row, mask=real, other=float("inf"))
    place_k = sequence * k_batch + head * k_head + opens * k_token.to(tl.int64)
    k_at = k_ptr + place_k + (tl.arange(0, KEYS) * k_token)[:, None]
    place_v = sequence * v_batch + head * v_head + opens * v_token.to(tl.int64)
    v_at = v_ptr + place_v + (tl.arange(0, KEYS) * v_token)[:, None]
    dq = tl.zeros((ROWS, 16), tl.float32)
    for first in range(opens, full, KEYS):  # every row sees the whole tile
        k = tl.load(k_at + d)
        v = tl.load(v_at + d)
        s = multiply(q, tl.trans(k))
        p = tl.exp2(s * (SCALE * LOG2_E) - lse[:, None])
        dp = multiply(dout, tl.trans(v))
        ds = p * (dp - delta[:, None])
        dq = multiply(ds.to(k.dtype), k, dq)
        k_at += KEYS * k_token
        v_at += KEYS * v_token
    for first in range(full, closes, KEYS):  # where the keys end
        key = first + tl.arange(0, KEYS)
        k = tl.load(k_at + d, mask=(key < keys)[:, None], other=0.0)
        v = tl.load(v_at + d, mask=(key < keys)[:, None], other=0.0)
        s = multiply(q, tl.trans(k))
        p = tl.exp2(s * (SCALE * LOG2_E) - lse[:, None])
        p = tl.where(key[None, :] < closes, p, 0.0)
        dp = multiply(dout, tl.trans(v))
        ds = p * (dp - delta[:, None])
        dq = multiply(ds.to(k.dtype), k, dq)
        k_at += KEYS * k_token
        v_at += KEYS * v_token
    tl.store(dq_ptr + own * 16 + place * 16 + d, dq * SCALE, mask=real[:, None])


@triton.jit(do_not_specialize=["tokens", "keys"])
def bidirectional_backward_keys(
    q_ptr, k_ptr, v_ptr, dout_ptr, lse_ptr, delta_ptr, dk_ptr, dv_ptr, bounds_ptr, tokens, keys,
    q_batch, q_head, q_token, k_batch, k_head, k_token, v_batch, v_head, v_token,
    ROWS: tl.constexpr, KEYS: tl.constexpr,
    HEADS: tl.constexpr, SCALE: tl.constexpr,
):  # fmt: skip
    """dv = Σ p dout and dk = Σ ds q · SCALE over all rows of the group that see a key."""
    tiles = tl.cdiv(keys, KEYS)
    pair = tl.program_id(0) // tiles
    sequence = (pair // HEADS).to(tl.int64)
    head = (pair % HEADS).to(tl.int64)
    first = tl.program_id(0) % tiles * KEYS
    end = tokens
    opens, closes = 0, keys  # where the text begins and ends
    if bounds_ptr is not None:
        opens = tl.load(bounds_ptr + 2 * sequence)
        closes = tl.load(bounds_ptr + 2 * sequence + 1)
        end = tl.where((first + KEYS > opens) & (first < closes), end, 0)
    d = tl.arange(0, 16)[None, :]
    place_k = sequence * k_batch + head * k_head + first * k_token.to(tl.int64)
    k_at = k_ptr + place_k + (tl.arange(0, KEYS) * k_token)[:, None]
    place_v = sequence * v_batch + head * v_head + first * v_token.to(tl.int64)
    v_at = v_ptr + place_v + (tl.arange(0, KEYS) * v_token)[:, None]
    key = first + tl.arange(0, KEYS)[:, None]
    there = key < keys
    at = pair.to(tl.int64) * tokens
    k = tl.load(k_at + d, mask=there, other=0.0)
    v = tl.load(v_at + d, mask=there, other=0.0)
    dk = tl.zeros((KEYS, 16), tl.float32)
    dv = tl.zeros((KEYS, 16), tl.float32)
    for above in range(0, end, ROWS):  # every row sees the whole tile
        row = above + tl.arange(0, ROWS)
        real = row < tokens
        q_at = q_ptr + sequence * q_batch + head * q_head + above * q_token.to(tl.int64)
        q_at += (tl.arange(0, ROWS) * q_token)[:, None]
        own = (sequence * tokens + above) * HEADS + head
        place = (tl.arange(0, ROWS) * HEADS)[:, None]
        lse = tl.load(lse_ptr + at + row, mask=real, other=float("inf"))
        q = tl.load(q_at + d, mask=real[:, None], other=0.0)
        dout = tl.load(dout_ptr + own * 16 + place * 16 + d, mask=real[:, None], other=0.0)
        s = multiply(k, tl.trans(q))
        p = tl.exp2(s * (SCALE * LOG2_E) - lse[None, :])
        dv = multiply(p.to(dout.dtype), dout, dv)
        dp = multiply(v, tl.trans(dout))
        delta = tl.load(delta_ptr + at + row, mask=real, other=0.0)
        ds = p * (dp - delta[None, :])
        dk = multiply(ds.to(q.dtype), q, dk)
    if bounds_ptr is not None:  # a key of padding has no gradient
        real_key = (key >= opens) & (key < closes)
        dk = tl.where(real_key, dk, 0.0)
        dv = tl.where(real_key, dv, 0.0)
    own = (sequence * keys + first) * HEADS + head
    place = tl.arange(0, KEYS)[:, None] * HEADS
    tl.store(dk_ptr + own * 16 + place * 16 + d, dk * SCALE, mask=there)
    tl.store(dv_ptr + own * 16 + place * 16 + d, dv, mask=there)


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
        bidirectional_forward: Tiles(rows=64, keys=64, warps=4, stages=3),
        bidirectional_backward_queries: Tiles(rows=128, keys=64, warps=8, stages=2),
        bidirectional_backward_keys: Tiles(rows=32, keys=128, warps=8, stages=2),
    },
    "sm_89": {
        bidirectional_forward: Tiles(rows=64, keys=64, warps=4, stages=3),
        bidirectional_backward_queries: Tiles(rows=128, keys=64, warps=8, stages=2),
        bidirectional_backward_keys: Tiles(rows=32, keys=128, warps=8, stages=2),
    },
    "sm_90": {
        bidirectional_forward: Tiles(rows=128, keys=128, warps=8, stages=2),
        bidirectional_backward_queries: Tiles(rows=128, keys=64, warps=8, stages=2),
        bidirectional_backward_keys: Tiles(rows=64, keys=128, warps=8, stages=2),
    },
    "sm_100": {
        bidirectional_forward: Tiles(rows=128, keys=128, warps=8, stages=2),
        bidirectional_backward_queries: Tiles(rows=128, keys=64, warps=8, stages=2),
        bidirectional_backward_keys: Tiles(rows=64, keys=128, warps=8, stages=2),
    },
    "gfx942": {
        bidirectional_forward: Tiles(rows=128, keys=64, warps=4, stages=1),
        bidirectional_backward_queries: Tiles(rows=64, keys=64, warps=4, stages=1),
        bidirectional_backward_keys: Tiles(rows=32, keys=128, warps=4, stages=1),
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
