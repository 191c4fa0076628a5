# Built by archspec 0.1.0 from chunked.yaml; edit the spec and build again.
"""Attention to keys in pages, in Triton, for the shapes of chunked: see paged.py.

Names are those of attention_kernels.py and decode_kernels.py, and beside them:

PAGE     tokens of a page
page     which block of memory holds a key's page, by the table (B, pages)
x_page   how far apart the pages of x are
lengths  (B,), how many tokens each text has; the queries are the last of them
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
import triton
import triton.language as tl
from torch import Tensor

from .attention_kernels import SMALL, Tiles, dense, multiply, soften, tiled
from .decode_kernels import PARTS, SHAPES, programs
from .launch import Variant, launch, pieces, target
from .operators import NAMESPACE


@triton.jit(do_not_specialize=["tokens", "pages"])
def chunked_paged(
    q_ptr, k_ptr, v_ptr, out_ptr, table_ptr, lengths_ptr, tokens, pages,
    q_batch, q_head, q_token, k_page, k_token, k_head, v_page, v_token, v_head,
    ROWS: tl.constexpr, KEYS: tl.constexpr, PAGE: tl.constexpr,
):  # fmt: skip
    """out = softmax(q kᵀ · 0.1768) v: a token sees its chunk of 64."""
    tiles = tl.cdiv(tokens * 2, ROWS)
    pair = tl.program_id(0) // tiles
    sequence = (pair // 2).to(tl.int64)
    head = (pair % 2).to(tl.int64)
    tile = tiles - 1 - tl.program_id(0) % tiles  # what has most to do comes first
    keys = tl.load(lengths_ptr + sequence)
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
    begin = tl.maximum(lowest - lowest % 64, 0)
    since = last - last % 64
    d = tl.arange(0, 32)[None, :]
    q = tl.load(q_at + d, mask=real[:, None], other=0.0)
    top = tl.full((ROWS,), -1.0e30, tl.float32)  # finite: a row may see none of its first keys
    total = tl.zeros((ROWS,), tl.float32)
    acc = tl.zeros((ROWS, 32), tl.float32)
    for first in range(begin, highest + 1, KEYS):  # some rows see a part of the tile
        key = first + tl.arange(0, KEYS)
        page = tl.load(table_ptr + sequence * pages + key // PAGE, mask=key < keys, other=0).to(
            tl.int64
        )
        k_at = k_ptr + (page * k_page + key % PAGE * k_token + head * k_head)[:, None]
        v_at = v_ptr + (page * v_page + key % PAGE * v_token + head * v_head)[:, None]
        k = tl.load(k_at + d, mask=(key < keys)[:, None], other=0.0)
        v = tl.load(v_at + d, mask=(key < keys)[:, None], other=0.0)
        s = multiply(q, tl.trans(k))
        s = tl.where(
            (key[None, :] <= last[:, None]) & (key[None, :] >= since[:, None]), s, float("-inf")
        )
        p, keep, top, total = soften(s, top, total, 0.25503486164919736)
        acc = multiply(p.to(v.dtype), v, acc * keep[:, None])
    total = tl.maximum(total, 1.0e-30)  # a query before its text sees nothing
    tl.store(out_ptr + own * 32 + place * 32 + d, acc / total[:, None], mask=real[:, None])


@triton.jit(do_not_specialize=["tokens", "pages"])
def causal_paged(
    q_ptr, k_ptr, v_ptr, out_ptr, table_ptr, lengths_ptr, tokens, pages,
    q_batch, q_head, q_token, k_page, k_token, k_head, v_page, v_token, v_head,
    ROWS: tl.constexpr, KEYS: tl.constexpr, PAGE: tl.constexpr,
):  # fmt: skip
    """out = softmax(q kᵀ · 0.1768) v: a token sees all before it."""
    tiles = tl.cdiv(tokens * 2, ROWS)
    pair = tl.program_id(0) // tiles
    sequence = (pair // 2).to(tl.int64)
    head = (pair % 2).to(tl.int64)
    tile = tiles - 1 - tl.program_id(0) % tiles  # what has most to do comes first
    keys = tl.load(lengths_ptr + sequence)
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
    begin = 0
    full = begin + tl.maximum(lowest + 1 - begin, 0) // KEYS * KEYS
    d = tl.arange(0, 32)[None, :]
    q = tl.load(q_at + d, mask=real[:, None], other=0.0)
    top = tl.full((ROWS,), -1.0e30, tl.float32)  # finite: a row may see none of its first keys
    total = tl.zeros((ROWS,), tl.float32)
    acc = tl.zeros((ROWS, 32), tl.float32)
    for first in range(begin, full, KEYS):  # every row sees the whole tile
        key = first + tl.arange(0, KEYS)
        page = tl.load(table_ptr + sequence * pages + key // PAGE).to(tl.int64)
        k_at = k_ptr + (page * k_page + key % PAGE * k_token + head * k_head)[:, None]
        v_at = v_ptr + (page * v_page + key % PAGE * v_token + head * v_head)[:, None]
        k = tl.load(k_at + d)
        v = tl.load(v_at + d)
        s = multiply(q, tl.trans(k))
        p, keep, top, total = soften(s, top, total, 0.25503486164919736)
        acc = multiply(p.to(v.dtype), v, acc * keep[:, None])
    for first in range(full, highest + 1, KEYS):  # the diagonal
        key = first + tl.arange(0, KEYS)
        page = tl.load(table_ptr + sequence * pages + key // PAGE, mask=key < keys, other=0).to(
            tl.int64
        )
        k_at = k_ptr + (page * k_page + key % PAGE * k_token + head * k_head)[:, None]
        v_at = v_ptr + (page * v_page + key % PAGE * v_token + head * v_head)[:, None]
        k = tl.load(k_at + d, mask=(key < keys)[:, None], other=0.0)
        v = tl.load(v_at + d, mask=(key < keys)[:, None], other=0.0)
        s = multiply(q, tl.trans(k))
        s = tl.where(key[None, :] <= last[:, None], s, float("-inf"))
        p, keep, top, total = soften(s, top, total, 0.25503486164919736)
        acc = multiply(p.to(v.dtype), v, acc * keep[:, None])
    total = tl.maximum(total, 1.0e-30)  # a query before its text sees nothing
    tl.store(out_ptr + own * 32 + place * 32 + d, acc / total[:, None], mask=real[:, None])


@triton.jit(do_not_specialize=["pages", "window", "chunk"])
def parts_paged_4x32(
    q_ptr, k_ptr, v_ptr, part_ptr, part_lse_ptr, table_ptr, lengths_ptr, pages, window, chunk,
    q_batch, q_head, k_page, k_token, k_head, v_page, v_token, v_head,
    ROWS: tl.constexpr, KEYS: tl.constexpr, PAGE: tl.constexpr,
):  # fmt: skip
    """One new token sees the last `window` keys of its chunk, of which a program reads a share."""
    pair = tl.program_id(0)
    sequence = (pair // 2).to(tl.int64)
    head = (pair % 2).to(tl.int64)
    keys = tl.load(lengths_ptr + sequence)
    row = tl.program_id(2) * ROWS + tl.arange(0, ROWS)
    exists = row < 2
    query_head = head * 2 + row
    q_at = q_ptr + (sequence * q_batch + query_head * q_head)[:, None]
    begin = tl.maximum(keys - window, tl.maximum(keys - 1, 0) // chunk * chunk)
    share = tl.cdiv(tl.cdiv(keys - begin, tl.num_programs(1)), KEYS) * KEYS
    begin += tl.program_id(1) * share
    end = tl.minimum(begin + share, keys)
    full = begin + tl.maximum(end - begin, 0) // KEYS * KEYS
    d = tl.arange(0, 32)[None, :]
    q = tl.load(q_at + d, mask=exists[:, None], other=0.0)
    top = tl.full((ROWS,), -1.0e30, tl.float32)
    total = tl.zeros((ROWS,), tl.float32)
    acc = tl.zeros((ROWS, 32), tl.float32)
    for first in range(begin, full, KEYS):  # whole tiles
        key = first + tl.arange(0, KEYS)
        page = tl.load(table_ptr + sequence * pages + key // PAGE).to(tl.int64)
        k_at = k_ptr + (page * k_page + key % PAGE * k_token + head * k_head)[:, None]
        v_at = v_ptr + (page * v_page + key % PAGE * v_token + head * v_head)[:, None]
        k = tl.load(k_at + d)
        v = tl.load(v_at + d)
        s = multiply(q, tl.trans(k))
        p, keep, top, total = soften(s, top, total, 0.25503486164919736)
        acc = multiply(p.to(v.dtype), v, acc * keep[:, None])
    for first in range(full, end, KEYS):  # where the keys end
        key = first + tl.arange(0, KEYS)
        page = tl.load(table_ptr + sequence * pages + key // PAGE, mask=key < end, other=0).to(
            tl.int64
        )
        k_at = k_ptr + (page * k_page + key % PAGE * k_token + head * k_head)[:, None]
        v_at = v_ptr + (page * v_page + key % PAGE * v_token + head * v_head)[:, None]
        k = tl.load(k_at + d, mask=(key < end)[:, None], other=0.0)
        v = tl.load(v_at + d, mask=(key < end)[:, None], other=0.0)
        s = multiply(q, tl.trans(k))
        s = tl.where(key[None, :] < end, s, float("-inf"))
        p, keep, top, total = soften(s, top, total, 0.25503486164919736)
        acc = multiply(p.to(v.dtype), v, acc * keep[:, None])
    part = (tl.program_id(1) * tl.num_programs(0) + pair) * 2 + row.to(tl.int64)
    divisor = tl.maximum(total, 1.0e-30)  # a part without a real key has a sum of zero
    tl.store(part_ptr + part[:, None] * 32 + d, acc / divisor[:, None], mask=exists[:, None])
    tl.store(part_lse_ptr + part, top + tl.log2(divisor), mask=exists)


class Kind(NamedTuple):
    """The kernels of one kind of attention, and how far back a token sees."""

    forward: Any
    parts: Any
    combine: Any
    window: int = 1 << 30
    chunk: int = 1 << 30


KINDS = {
    "chunked": Kind(chunked_paged, parts_paged_4x32, SHAPES["4x32"].combine, chunk=64),
    "causal": Kind(causal_paged, parts_paged_4x32, SHAPES["4x32"].combine),
}
TILES = {  # for numbers of 16 bits, by kinds of GPUs
    "sm_80": {
        chunked_paged: Tiles(rows=64, keys=64, warps=4, stages=3),
        causal_paged: Tiles(rows=64, keys=64, warps=4, stages=3),
        parts_paged_4x32: Tiles(rows=16, keys=64, warps=4, stages=3),
    },
    "sm_89": {
        chunked_paged: Tiles(rows=64, keys=64, warps=4, stages=3),
        causal_paged: Tiles(rows=64, keys=64, warps=4, stages=3),
        parts_paged_4x32: Tiles(rows=16, keys=64, warps=4, stages=3),
    },
    "sm_90": {
        chunked_paged: Tiles(rows=128, keys=128, warps=8, stages=2),
        causal_paged: Tiles(rows=128, keys=128, warps=8, stages=2),
        parts_paged_4x32: Tiles(rows=16, keys=64, warps=4, stages=3),
    },
    "sm_100": {
        chunked_paged: Tiles(rows=128, keys=128, warps=8, stages=2),
        causal_paged: Tiles(rows=128, keys=128, warps=8, stages=2),
        parts_paged_4x32: Tiles(rows=16, keys=64, warps=4, stages=3),
    },
    "gfx942": {
        chunked_paged: Tiles(rows=128, keys=64, warps=4, stages=1),
        causal_paged: Tiles(rows=128, keys=64, warps=4, stages=1),
        parts_paged_4x32: Tiles(rows=16, keys=64, warps=4, stages=2),
    },
}


@torch.library.custom_op(f"{NAMESPACE}::attention_paged", mutates_args=())
def attend(kind: str, q: Tensor, k: Tensor, v: Tensor, table: Tensor, lengths: Tensor) -> Tensor:
    """(B, H, T, D) and blocks (blocks, PAGE, K, D), (blocks, PAGE, K, E) → (B, H, T, E)."""
    if k.stride(3) != 1 or v.stride(3) != 1:
        raise ValueError("the numbers of a key and of a value in a block stand side by side")
    q, table, lengths, own = dense(q), table.contiguous(), lengths.contiguous(), KINDS[kind]
    (batch, heads, tokens, _), (_, page, kv_heads, width) = q.shape, v.shape
    kernel = own.forward if tokens > 1 else own.parts
    tiles = TILES[target(q.device)][kernel] if q.element_size() == 2 else SMALL
    options, rows = tiles.options() | {"PAGE": page}, heads // kv_heads * tokens
    steps, last = (*k.stride()[:3], *v.stride()[:3]), (table, lengths)
    out = q.new_empty(batch, tokens, heads, width).transpose(1, 2)
    if tokens > 1:
        grid = (pieces(rows, tiles.rows) * batch * kv_heads,)
        tensors = (q, k, v, out, *last)
        launch(kernel, grid, *tensors, tokens, table.shape[1], *q.stride()[:3], *steps, **options)
        return out
    parts = min(PARTS, pieces(programs(q.device), max(batch * kv_heads, 1)))
    part = q.new_empty(parts, batch, heads, width, dtype=torch.float32)
    part_lse = q.new_empty(parts, batch, heads, dtype=torch.float32)
    grid = (batch * kv_heads, parts, pieces(rows, tiles.rows))
    tensors = (q, k, v, part, part_lse, *last)
    numbers = (table.shape[1], own.window, own.chunk, *q.stride()[:2], *steps)
    launch(kernel, grid, *tensors, *numbers, **options)
    tensors = (part, part_lse, out)
    launch(own.combine, (batch * heads,), *tensors, parts, PARTS=PARTS, num_warps=8)
    return out


@attend.register_fake
def _attend(kind, q, k, v, table, lengths):
    batch, heads, tokens, _ = q.shape
    return q.new_empty(batch, tokens, heads, v.shape[3]).transpose(1, 2)


def variants() -> list[Variant]:
    """The kernels as this model launches them for pages of 64 tokens, in bfloat16."""
    return [tiled(kernel, tiles, PAGE=64) for kernel, tiles in TILES[target()].items()]
