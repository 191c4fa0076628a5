# Built by archspec 0.1.0 from layer-vectors.yaml; edit the spec and build again.
"""Attention of one new token to every key it is given, in Triton, for the shapes of layer-vectors.

The keys are cut into parts that programs read side by side; a second kernel weighs what each part
gives alone. Names are those of attention.py, and beside them:

share    keys of one part; `part` and `part_lse` are what each gives, and log2 of its sum
start    the token's position: slot s of a rolling cache of n holds the last position up to it that
         is s modulo n
real     (B, start + 1), which positions are tokens and no padding; None where all are
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import torch
import triton
import triton.language as tl
from torch import Tensor

from ..operators import NAMESPACE
from .attention import LOG2_E, SMALL, Tiles, constants, dense, multiply, soften
from .launch import launch, pieces, target


@triton.jit(do_not_specialize=["keys", "share", "start"])
def parts_32x32(
    q_ptr, k_ptr, v_ptr, part_ptr, part_lse_ptr, bounds_ptr, real_ptr, keys, share, start,
    q_batch, q_head, k_batch, k_head, k_token, v_batch, v_head, v_token,
    ROWS: tl.constexpr, KEYS: tl.constexpr,
    HEADS: tl.constexpr, GROUP: tl.constexpr, SCALE: tl.constexpr,
):  # fmt: skip
    """One new token sees `share` of the keys: the heads of a group are the rows of one product."""
    pair = tl.program_id(0)
    sequence = (pair // (HEADS // GROUP)).to(tl.int64)
    head = (pair % (HEADS // GROUP)).to(tl.int64)
    row = tl.program_id(2) * ROWS + tl.arange(0, ROWS)
    exists = row < GROUP
    query_head = head * GROUP + row
    q_at = q_ptr + (sequence * q_batch + query_head * q_head)[:, None]
    begin = tl.program_id(1) * share
    end = tl.minimum(begin + share, keys)
    if real_ptr is None:
        full = begin + (end - begin) // KEYS * KEYS
    else:  # every tile has a mask, and where keys lie in order those before the text are left out
        opens = tl.load(bounds_ptr + 2 * sequence)
        begin = tl.where(keys > start, tl.minimum(tl.maximum(begin, opens), end), begin)
        full = begin
    d = tl.arange(0, 32)[None, :]
    q = tl.load(q_at + d, mask=exists[:, None], other=0.0)
    place_k = sequence * k_batch + head * k_head + begin * k_token.to(tl.int64)
    k_at = k_ptr + place_k + (tl.arange(0, KEYS) * k_token)[:, None]
    place_v = sequence * v_batch + head * v_head + begin * v_token.to(tl.int64)
    v_at = v_ptr + place_v + (tl.arange(0, KEYS) * v_token)[:, None]
    top = tl.full((ROWS,), -1.0e30, tl.float32)
    total = tl.zeros((ROWS,), tl.float32)
    acc = tl.zeros((ROWS, 32), tl.float32)
    for first in range(begin, full, KEYS):  # whole tiles
        k = tl.load(k_at + d)
        v = tl.load(v_at + d)
        s = multiply(q, tl.trans(k))
        p, keep, top, total = soften(s, top, total, SCALE * LOG2_E)
        acc = multiply(p.to(v.dtype), v, acc * keep[:, None])
        k_at += KEYS * k_token
        v_at += KEYS * v_token
    for first in range(full, end, KEYS):  # where the keys end
        key = first + tl.arange(0, KEYS)
        seen = key < end
        k = tl.load(k_at + d, mask=seen[:, None], other=0.0)
        v = tl.load(v_at + d, mask=seen[:, None], other=0.0)
        s = multiply(q, tl.trans(k))
        if real_ptr is not None:
            slot = start - (start - key) % keys
            seen &= tl.load(real_ptr + sequence * (start + 1) + slot, mask=seen, other=False)
        s = tl.where(seen[None, :], s, float("-inf"))
        p, keep, top, total = soften(s, top, total, SCALE * LOG2_E)
        acc = multiply(p.to(v.dtype), v, acc * keep[:, None])
        k_at += KEYS * k_token
        v_at += KEYS * v_token
    part = (tl.program_id(1) * tl.num_programs(0) + pair) * GROUP + row.to(tl.int64)
    divisor = tl.maximum(total, 1.0e-30)  # a part without a real key has a sum of zero
    tl.store(part_ptr + part[:, None] * 32 + d, acc / divisor[:, None], mask=exists[:, None])
    tl.store(part_lse_ptr + part, top + tl.log2(divisor), mask=exists)


@triton.jit(do_not_specialize=["parts"])
def combine_32x32(
    part_ptr, part_lse_ptr, out_ptr, parts,
    PARTS: tl.constexpr,
):  # fmt: skip
    """What the parts of a row give together, each weighted by its sum."""
    row = tl.program_id(0).to(tl.int64)
    at = tl.arange(0, PARTS).to(tl.int64) * tl.num_programs(0) + row
    there = tl.arange(0, PARTS) < parts
    lse = tl.load(part_lse_ptr + at, mask=there, other=float("-inf"))
    top = tl.maximum(tl.max(lse, axis=0), -1.0e30)
    weight = tl.exp2(lse - top)
    total = tl.maximum(tl.sum(weight, axis=0), 1.0e-30)
    d = tl.arange(0, 32)
    values = tl.load(part_ptr + at[:, None] * 32 + d, mask=there[:, None], other=0.0)
    tl.store(out_ptr + row * 32 + d, tl.sum(values * weight[:, None], axis=0) / total)


@triton.jit(do_not_specialize=["keys", "share", "start"])
def parts_64x64(
    q_ptr, k_ptr, v_ptr, part_ptr, part_lse_ptr, bounds_ptr, real_ptr, keys, share, start,
    q_batch, q_head, k_batch, k_head, k_token, v_batch, v_head, v_token,
    ROWS: tl.constexpr, KEYS: tl.constexpr,
    HEADS: tl.constexpr, GROUP: tl.constexpr, SCALE: tl.constexpr,
):  # fmt: skip
    """One new token sees `share` of the keys: the heads of a group are the rows of one product."""
    pair = tl.program_id(0)
    sequence = (pair // (HEADS // GROUP)).to(tl.int64)
    head = (pair % (HEADS // GROUP)).to(tl.int64)
    row = tl.program_id(2) * ROWS + tl.arange(0, ROWS)
    exists = row < GROUP
    query_head = head * GROUP + row
    q_at = q_ptr + (sequence * q_batch + query_head * q_head)[:, None]
    begin = tl.program_id(1) * share
    end = tl.minimum(begin + share, keys)
    if real_ptr is None:
        full = begin + (end - begin) // KEYS * KEYS
    else:  # every tile has a mask, and where keys lie in order those before the text are left out
        opens = tl.load(bounds_ptr + 2 * sequence)
        begin = tl.where(keys > start, tl.minimum(tl.maximum(begin, opens), end), begin)
        full = begin
    d = tl.arange(0, 64)[None, :]
    q = tl.load(q_at + d, mask=exists[:, None], other=0.0)
    place_k = sequence * k_batch + head * k_head + begin * k_token.to(tl.int64)
    k_at = k_ptr + place_k + (tl.arange(0, KEYS) * k_token)[:, None]
    place_v = sequence * v_batch + head * v_head + begin * v_token.to(tl.int64)
    v_at = v_ptr + place_v + (tl.arange(0, KEYS) * v_token)[:, None]
    top = tl.full((ROWS,), -1.0e30, tl.float32)
    total = tl.zeros((ROWS,), tl.float32)
    acc = tl.zeros((ROWS, 64), tl.float32)
    for first in range(begin, full, KEYS):  # whole tiles
        k = tl.load(k_at + d)
        v = tl.load(v_at + d)
        s = multiply(q, tl.trans(k))
        p, keep, top, total = soften(s, top, total, SCALE * LOG2_E)
        acc = multiply(p.to(v.dtype), v, acc * keep[:, None])
        k_at += KEYS * k_token
        v_at += KEYS * v_token
    for first in range(full, end, KEYS):  # where the keys end
        key = first + tl.arange(0, KEYS)
        seen = key < end
        k = tl.load(k_at + d, mask=seen[:, None], other=0.0)
        v = tl.load(v_at + d, mask=seen[:, None], other=0.0)
        s = multiply(q, tl.trans(k))
        if real_ptr is not None:
            slot = start - (start - key) % keys
            seen &= tl.load(real_ptr + sequence * (start + 1) + slot, mask=seen, other=False)
        s = tl.where(seen[None, :], s, float("-inf"))
        p, keep, top, total = soften(s, top, total, SCALE * LOG2_E)
        acc = multiply(p.to(v.dtype), v, acc * keep[:, None])
        k_at += KEYS * k_token
        v_at += KEYS * v_token
    part = (tl.program_id(1) * tl.num_programs(0) + pair) * GROUP + row.to(tl.int64)
    divisor = tl.maximum(total, 1.0e-30)  # a part without a real key has a sum of zero
    tl.store(part_ptr + part[:, None] * 64 + d, acc / divisor[:, None], mask=exists[:, None])
    tl.store(part_lse_ptr + part, top + tl.log2(divisor), mask=exists)


@triton.jit(do_not_specialize=["parts"])
def combine_64x64(
    part_ptr, part_lse_ptr, out_ptr, parts,
    PARTS: tl.constexpr,
):  # fmt: skip
    """What the parts of a row give together, each weighted by its sum."""
    row = tl.program_id(0).to(tl.int64)
    at = tl.arange(0, PARTS).to(tl.int64) * tl.num_programs(0) + row
    there = tl.arange(0, PARTS) < parts
    lse = tl.load(part_lse_ptr + at, mask=there, other=float("-inf"))
    top = tl.maximum(tl.max(lse, axis=0), -1.0e30)
    weight = tl.exp2(lse - top)
    total = tl.maximum(tl.sum(weight, axis=0), 1.0e-30)
    d = tl.arange(0, 64)
    values = tl.load(part_ptr + at[:, None] * 64 + d, mask=there[:, None], other=0.0)
    tl.store(out_ptr + row * 64 + d, tl.sum(values * weight[:, None], axis=0) / total)


class Shape(NamedTuple):
    """The kernels for heads of some width, and for what makes scores of their products."""

    parts: Any
    combine: Any


SHAPES = {
    "32x32": Shape(parts_32x32, combine_32x32),
    "64x64": Shape(parts_64x64, combine_64x64),
}
TILES = {  # for numbers of 16 bits, by kinds of GPUs
    "sm_80": {
        parts_32x32: Tiles(rows=16, keys=64, warps=4, stages=3),
        parts_64x64: Tiles(rows=16, keys=64, warps=4, stages=3),
    },
    "sm_89": {
        parts_32x32: Tiles(rows=16, keys=64, warps=4, stages=3),
        parts_64x64: Tiles(rows=16, keys=64, warps=4, stages=3),
    },
    "sm_90": {
        parts_32x32: Tiles(rows=16, keys=64, warps=4, stages=3),
        parts_64x64: Tiles(rows=16, keys=64, warps=4, stages=3),
    },
    "sm_100": {
        parts_32x32: Tiles(rows=16, keys=64, warps=4, stages=3),
        parts_64x64: Tiles(rows=16, keys=64, warps=4, stages=3),
    },
    "gfx942": {
        parts_32x32: Tiles(rows=16, keys=64, warps=4, stages=2),
        parts_64x64: Tiles(rows=16, keys=64, warps=4, stages=2),
    },
}
PARTS = 64  # of one row's keys at most


@torch.library.custom_op(f"{NAMESPACE}::attention_decode", mutates_args=())
def decode(
    shape: str,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    bounds: Tensor | None,
    padding: Tensor | None,
    scale: float,
) -> Tensor:
    """(B, H, 1, D), (B, K, S, D), (B, K, S, E) → (B, H, 1, E); padding covers every position."""
    own = SHAPES[shape]
    q, k, v = dense(q), dense(k), dense(v)
    (batch, heads, _, _), (_, kv_heads, keys, width) = q.shape, v.shape
    tiles = TILES[target(q.device)][own.parts] if q.element_size() == 2 else SMALL
    numbers = {"SCALE": scale}
    parts = min(
        PARTS, pieces(programs(q.device), max(batch * kv_heads, 1)), pieces(keys, 2 * tiles.keys)
    )
    share = pieces(pieces(keys, parts), tiles.keys) * tiles.keys
    parts = pieces(keys, share)
    part = q.new_empty(parts, batch, heads, width, dtype=torch.float32)
    part_lse = q.new_empty(parts, batch, heads, dtype=torch.float32)
    real, start = (
        (None, keys - 1) if padding is None else (padding.contiguous(), padding.shape[1] - 1)
    )
    grid = (batch * kv_heads, parts, pieces(heads // kv_heads, tiles.rows))
    tensors = (q, k, v, part, part_lse, bounds if real is not None else None, real)
    steps = (*q.stride()[:2], *k.stride()[:3], *v.stride()[:3])
    sizes = (keys, share, start, *steps)
    options = constants(own.parts, heads, kv_heads, numbers) | tiles.options()
    launch(own.parts, grid, *tensors, *sizes, **options)
    out = q.new_empty(batch, heads, 1, width)
    tensors = (part, part_lse, out)
    options = constants(own.combine, heads, kv_heads, numbers) | {"PARTS": PARTS}
    launch(own.combine, (batch * heads,), *tensors, parts, **options, num_warps=8)
    return out


@decode.register_fake
def _decode(shape, q, k, v, bounds, padding, scale):
    return q.new_empty(*q.shape[:3], v.shape[3])


@cache
def programs(device: torch.device) -> int:
    """Enough to keep every processor busy: two for each."""
    if device.type != "cuda":
        return 8
    return 2 * torch.cuda.get_device_properties(device).multi_processor_count


def _setup(ctx, inputs, output):
    tensors, ctx.numbers = inputs[1:6], inputs[6:]
    ctx.save_for_backward(*tensors, output)


def _gradients(ctx, dout):
    """Written out for one token: who trains has many at a time."""
    q, k, v, _, padding, out = ctx.saved_tensors
    (scale,), (batch, kv_heads, keys, _) = ctx.numbers, k.shape
    rows, out, dout = (x.reshape(batch, kv_heads, -1, x.shape[3]).float() for x in (q, out, dout))
    scores = rows @ k.float().mT * scale  # (B, K, H / K, S)
    if padding is not None:
        start = padding.shape[1] - 1
        slots = start - (start - torch.arange(keys, device=q.device)) % keys
        scores = scores.masked_fill(~padding[:, None, None, slots], float("-inf"))
    lse = scores.logsumexp(dim=-1, keepdim=True)
    p = (scores - lse).exp()
    delta = (dout * out).sum(dim=-1, keepdim=True)
    ds = p * (dout @ v.float().mT - delta) * scale
    dq, dk, dv = (
        (ds @ k.float()).view_as(q).to(q.dtype),
        (ds.mT @ rows).to(k.dtype),
        (p.mT @ dout).to(v.dtype),
    )
    return None, dq, dk, dv, None, None, None


decode.register_autograd(_gradients, setup_context=_setup)
