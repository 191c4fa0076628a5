# Built by archspec 0.1.0 from encoder.yaml; edit the spec and build again.
"""Softmax attention in Triton, made for the shapes of encoder.

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
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
import triton
import triton.language as tl
from torch import Tensor

from .launch import NAMESPACE, Variant, launch, pieces


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
    """out = softmax(q kᵀ · 0.25) v, and lse: a token sees every key."""
    sequence = (tl.program_id(1) // 6).to(tl.int64)
    head = (tl.program_id(1) % 6).to(tl.int64)
    tile = tl.num_programs(0) - 1 - tl.program_id(0)  # what has most to do comes first
    row = tile * ROWS + tl.arange(0, ROWS)
    real = row < tokens
    q_at = q_ptr + sequence * q_batch + head * q_head + tile * ROWS * q_token.to(tl.int64)
    q_at += (tl.arange(0, ROWS) * q_token)[:, None]
    own = (sequence * tokens + tile * ROWS) * 6 + head
    place = (tl.arange(0, ROWS) * 6)[:, None]
    full = keys // KEYS * KEYS
    d = tl.arange(0, 16)[None, :]
    q = tl.load(q_at + d, mask=real[:, None], other=0.0)
    place_k = sequence * k_batch + head * k_head
    place_v = sequence * v_batch + head * v_head
    k_at = k_ptr + place_k + (tl.arange(0, KEYS) * k_token)[:, None]
    v_at = v_ptr + place_v + (tl.arange(0, KEYS) * v_token)[:, None]
    top = tl.full((ROWS,), -1.0e30, tl.float32)  # finite: a row may see none of its first keys
    total = tl.zeros((ROWS,), tl.float32)
    acc = tl.zeros((ROWS, 16), tl.float32)
    for first in range(0, full, KEYS):  # every row sees the whole tile
        k = tl.load(k_at + d)
        v = tl.load(v_at + d)
        s = multiply(q, tl.trans(k))
        p, keep, top, total = soften(s, top, total, 0.36067376022224085)
        acc = multiply(p.to(v.dtype), v, acc * keep[:, None])
        k_at += KEYS * k_token
        v_at += KEYS * v_token
    for first in range(full, keys, KEYS):  # where the keys end
        key = first + tl.arange(0, KEYS)
        k = tl.load(k_at + d, mask=(key < keys)[:, None], other=0.0)
        v = tl.load(v_at + d, mask=(key < keys)[:, None], other=0.0)
        s = multiply(q, tl.trans(k))
        s = tl.where(key[None, :] < keys, s, float("-inf"))
        p, keep, top, total = soften(s, top, total, 0.36067376022224085)
        acc = multiply(p.to(v.dtype), v, acc * keep[:, None])
        k_at += KEYS * k_token
        v_at += KEYS * v_token
    tl.store(out_ptr + own * 16 + place * 16 + d, acc / total[:, None], mask=real[:, None])
    tl.store(
        lse_ptr + tl.program_id(1).to(tl.int64) * tokens + row, top + tl.log2(total), mask=real
    )


@triton.jit(do_not_specialize=["tokens", "keys"])
def bidirectional_backward_queries(
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
    """dq = Σ ds k · 0.25 with ds = p (dout · v − delta); leaves delta = out · dout."""
    sequence = (tl.program_id(1) // 6).to(tl.int64)
    head = (tl.program_id(1) % 6).to(tl.int64)
    tile = tl.num_programs(0) - 1 - tl.program_id(0)  # what has most to do comes first
    row = tile * ROWS + tl.arange(0, ROWS)
    real = row < tokens
    q_at = q_ptr + sequence * q_batch + head * q_head + tile * ROWS * q_token.to(tl.int64)
    q_at += (tl.arange(0, ROWS) * q_token)[:, None]
    own = (sequence * tokens + tile * ROWS) * 6 + head
    place = (tl.arange(0, ROWS) * 6)[:, None]
    full = keys // KEYS * KEYS
    d = tl.arange(0, 16)[None, :]
    q = tl.load(q_at + d, mask=real[:, None], other=0.0)
    out = tl.load(out_ptr + own * 16 + place * 16 + d, mask=real[:, None], other=0.0)
    dout = tl.load(dout_ptr + own * 16 + place * 16 + d, mask=real[:, None], other=0.0)
    delta = tl.sum(out.to(tl.float32) * dout, axis=1)
    at = tl.program_id(1).to(tl.int64) * tokens
    tl.store(delta_ptr + at + row, delta, mask=real)
    lse = tl.load(lse_ptr + at + row, mask=real, other=float("inf"))
    place_k = sequence * k_batch + head * k_head
    place_v = sequence * v_batch + head * v_head
    k_at = k_ptr + place_k + (tl.arange(0, KEYS) * k_token)[:, None]
    v_at = v_ptr + place_v + (tl.arange(0, KEYS) * v_token)[:, None]
    dq = tl.zeros((ROWS, 16), tl.float32)
    for first in range(0, full, KEYS):  # every row sees the whole tile
        k = tl.load(k_at + d)
        v = tl.load(v_at + d)
        s = multiply(q, tl.trans(k))
        p = tl.exp2(s * 0.36067376022224085 - lse[:, None])
        dp = multiply(dout, tl.trans(v))
        ds = p * (dp - delta[:, None])
        dq = multiply(ds.to(k.dtype), k, dq)
        k_at += KEYS * k_token
        v_at += KEYS * v_token
    for first in range(full, keys, KEYS):  # where the keys end
        key = first + tl.arange(0, KEYS)
        k = tl.load(k_at + d, mask=(key < keys)[:, None], other=0.0)
        v = tl.load(v_at + d, mask=(key < keys)[:, None], other=0.0)
        s = multiply(q, tl.trans(k))
        p = tl.exp2(s * 0.36067376022224085 - lse[:, None])
        p = tl.where(key[None, :] < keys, p, 0.0)
        dp = multiply(dout, tl.trans(v))
        ds = p * (dp - delta[:, None])
        dq = multiply(ds.to(k.dtype), k, dq)
        k_at += KEYS * k_token
        v_at += KEYS * v_token
    tl.store(dq_ptr + own * 16 + place * 16 + d, dq * 0.25, mask=real[:, None])


@triton.jit(do_not_specialize=["tokens", "keys"])
def bidirectional_backward_keys(
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
    """dv = Σ p dout and dk = Σ ds q · 0.25 over all rows of the group that see a key."""
    sequence = (tl.program_id(1) // 6).to(tl.int64)
    head = (tl.program_id(1) % 6).to(tl.int64)
    first = tl.program_id(0) * KEYS
    d = tl.arange(0, 16)[None, :]
    place_k = sequence * k_batch + head * k_head + first * k_token.to(tl.int64)
    place_v = sequence * v_batch + head * v_head + first * v_token.to(tl.int64)
    k_at = k_ptr + place_k + (tl.arange(0, KEYS) * k_token)[:, None]
    v_at = v_ptr + place_v + (tl.arange(0, KEYS) * v_token)[:, None]
    key = first + tl.arange(0, KEYS)[:, None]
    there = key < keys
    at = tl.program_id(1).to(tl.int64) * tokens
    k = tl.load(k_at + d, mask=there, other=0.0)
    v = tl.load(v_at + d, mask=there, other=0.0)
    dk = tl.zeros((KEYS, 16), tl.float32)
    dv = tl.zeros((KEYS, 16), tl.float32)
    for above in range(0, tokens, ROWS):  # every row sees the whole tile
        row = above + tl.arange(0, ROWS)
        real = row < tokens
        q_at = q_ptr + sequence * q_batch + head * q_head + above * q_token.to(tl.int64)
        q_at += (tl.arange(0, ROWS) * q_token)[:, None]
        own = (sequence * tokens + above) * 6 + head
        place = (tl.arange(0, ROWS) * 6)[:, None]
        lse = tl.load(lse_ptr + at + row, mask=real, other=float("inf"))
        delta = tl.load(delta_ptr + at + row, mask=real, other=0.0)
        q = tl.load(q_at + d, mask=real[:, None], other=0.0)
        dout = tl.load(dout_ptr + own * 16 + place * 16 + d, mask=real[:, None], other=0.0)
        s = multiply(k, tl.trans(q))
        p = tl.exp2(s * 0.36067376022224085 - lse[None, :])
        dv = multiply(p.to(dout.dtype), dout, dv)
        dp = multiply(v, tl.trans(dout))
        ds = p * (dp - delta[None, :])
        dk = multiply(ds.to(q.dtype), q, dk)
    own = (sequence * keys + first) * 6 + head
    place = tl.arange(0, KEYS)[:, None] * 6
    tl.store(dk_ptr + own * 16 + place * 16 + d, dk * 0.25, mask=there)
    tl.store(dv_ptr + own * 16 + place * 16 + d, dv, mask=there)


class Tiles(NamedTuple):
    """How a kernel cuts its work, and what a program of it runs on."""

    rows: int
    keys: int
    warps: int
    stages: int


TILES = {  # for numbers of 16 bits
    bidirectional_forward: Tiles(rows=128, keys=128, warps=8, stages=2),
    bidirectional_backward_queries: Tiles(rows=128, keys=64, warps=8, stages=2),
    bidirectional_backward_keys: Tiles(rows=64, keys=128, warps=8, stages=2),
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


def _strides(*tensors: Tensor) -> list[int]:
    return [step for x in tensors for step in x.stride()[:3]]


def _empty(like: Tensor, width: int) -> Tensor:
    """(B, H, T, width), with the heads of a token together in memory."""
    batch, heads, tokens, _ = like.shape
    return like.new_empty(batch, tokens, heads, width).transpose(1, 2)


def bidirectional(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """(B, 6, T, 16), (B, 6, S, 16) and (B, 6, S, 16) → (B, 6, T, 16): a token sees every key."""
    return _bidirectional(q, k, v)[0]


@torch.library.custom_op(f"{NAMESPACE}::attention_bidirectional", mutates_args=())
def _bidirectional(q: Tensor, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
    q, k, v = _dense(q), _dense(k), _dense(v)
    (batch, _, tokens, _), keys = q.shape, k.shape[2]
    out = _empty(q, 16)
    lse = q.new_empty(batch, 6, tokens, dtype=torch.float32)
    tiles = _tiles(bidirectional_forward, q)
    grid = (pieces(tokens, tiles.rows), batch * 6)
    tensors = (q, k, v, out, lse)
    _run(bidirectional_forward, tiles, grid, *tensors, tokens, keys, *_strides(q, k, v))
    return out, lse


@_bidirectional.register_fake
def _(q: Tensor, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
    lse = q.new_empty(q.shape[0], 6, q.shape[2], dtype=torch.float32)
    return _empty(q, 16), lse


@torch.library.custom_op(f"{NAMESPACE}::attention_bidirectional_backward", mutates_args=())
def _bidirectional_backward(
    dout: Tensor, q: Tensor, k: Tensor, v: Tensor, out: Tensor, lse: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    q, k, v = _dense(q), _dense(k), _dense(v)
    dout = dout.transpose(1, 2).contiguous()
    batch, tokens, keys = q.shape[0], q.shape[2], k.shape[2]
    dq, dk, dv = _empty(q, 16), _empty(k, 16), _empty(v, 16)
    delta = torch.empty_like(lse)
    heads = batch * 6
    counts = (tokens, keys, *_strides(q, k, v))
    tiles = _tiles(bidirectional_backward_queries, q)
    grid = (pieces(tokens, tiles.rows), heads)
    tensors = (q, k, v, out, dout, lse, delta, dq)
    _run(bidirectional_backward_queries, tiles, grid, *tensors, *counts)
    tiles = _tiles(bidirectional_backward_keys, q)
    grid = (pieces(keys, tiles.keys), heads)
    tensors = (q, k, v, dout, lse, delta, dk, dv)
    _run(bidirectional_backward_keys, tiles, grid, *tensors, *counts)
    return dq, dk, dv


@_bidirectional_backward.register_fake
def _(dout, q, k, v, out, lse):
    return _empty(q, 16), _empty(k, 16), _empty(v, 16)


def _save_bidirectional(ctx, inputs, output):
    ctx.save_for_backward(*inputs, *output)
    ctx.mark_non_differentiable(output[1])


def _grads_bidirectional(ctx, dout, _):
    grads = _bidirectional_backward(dout, *ctx.saved_tensors)
    return grads


_bidirectional.register_autograd(_grads_bidirectional, setup_context=_save_bidirectional)


def variants() -> list[Variant]:
    """The kernels as this model launches them, in bfloat16."""
    found: list[Variant] = []
    for kernel, tiles in TILES.items():
        cut = {"ROWS": tiles.rows, "KEYS": tiles.keys}
        found.append(_variant(kernel, cut, tiles.warps, tiles.stages))
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
