# Built by archspec 0.1.0 from layer-vectors.yaml; edit the spec and build again.
"""Softmax attention in Gluon for one kind of GPU, sm_90, made for the shapes of layer-vectors.

What attention_kernels.py calls tokens, keys, s, p, top, total and lse has the same names here. A
program has ROWS rows of one query head, each of one token, and its warps share the work:

rows     four warps have 64 rows, and while they make weights of a tile's scores, the product of
         the tile before with its values runs
copies   a warp copies keys, another values, a tile as soon as there is room

pair     a sequence and a query head
newest   the last tile of keys that any row sees; it is read first, and tile i is the i-th before it
tiles    so many are read
x_at     a tensor map: where copies find the tiles of x, (1, 1, rows or keys, columns) each
x_tile, x_ring
         a tile of x in shared memory, and room for STAGES of them; tile i has place i mod STAGES
x_ready, x_free
         barriers of each place: a tile has come, and all have read it. They change phase each time,
         and a tile waits for the phase of its round, i div STAGES, of which a barrier keeps one bit
"""

# What is under @gluon.jit is compiled from its text, and means other things than Python does.
# pyright: reportArgumentType=false, reportAssignmentType=false, reportAttributeAccessIssue=false
# pyright: reportCallIssue=false, reportGeneralTypeIssues=false, reportOperatorIssue=false

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from triton.experimental import gluon
from triton.experimental.gluon import language as gl
from triton.experimental.gluon.language.nvidia.hopper import (
    fence_async_shared,
    mbarrier,
    tma,
    warpgroup_mma,
    warpgroup_mma_wait,
)
from triton.experimental.gluon.nvidia.hopper import TensorDescriptor

from .launch import Variant, launch, pieces

# How tiles of so many columns lie in shared memory: so that no two rows of a stripe collide.
TILE_64 = gl.constexpr(gl.NVMMASharedLayout(128, 16, rank=2))
BARRIER = gl.constexpr(mbarrier.MBarrierLayout())


@gluon.jit
def soften(s, top, total, scale: gl.constexpr):
    """The softmax so far, with a tile more: its weights, and what earlier sums are multiplied by."""
    higher = gl.maximum(top, gl.max(s, axis=1) * scale)
    p = gl.exp2(s * scale - higher[:, None])
    keep = gl.exp2(top - higher)
    return p, keep, higher, total * keep + gl.sum(p, axis=1)


@gluon.jit
def begin_barriers(ready, free, READERS: gl.constexpr, STAGES: gl.constexpr):
    """A copy makes a place ready; all warpgroups that compute make it free."""
    for place in gl.static_range(STAGES):
        mbarrier.init(ready.index(place), count=1)
        mbarrier.init(free.index(place), count=READERS)


@gluon.jit
def copies(
    x_at,
    ring,
    ready,
    free,
    sequence,
    head,
    newest,
    tiles,
    KEYS: gl.constexpr,
    STAGES: gl.constexpr,
):
    """Copy tiles of keys or values, the newest first."""
    for i in range(tiles):
        place = i % STAGES
        mbarrier.wait(free.index(place), (i // STAGES & 1) ^ 1)  # at first there is room
        mbarrier.expect(ready.index(place), x_at.block_type.nbytes)
        at = [sequence, head, (newest - i) * KEYS, 0]
        tma.async_copy_global_to_shared(x_at, at, ready.index(place), ring.index(place))


@gluon.jit
def causal_rows(
    start,
    lse_ptr,
    out_at,
    q_tile,
    shared,
    KEYS: gl.constexpr,
    STAGES: gl.constexpr,
):
    """The softmax of 64 rows from `start` on, and their values."""
    (
        k_ring,
        v_ring,
        q_ready,
        k_ready,
        v_ready,
        k_free,
        v_free,
        pair,
        tokens,
        keys,
        newest,
        diagonal,
        tiles,
    ) = shared
    S: gl.constexpr = gl.NVMMADistributedLayout([3, 0], [4, 1], [16, KEYS, 16])  # of scores
    P: gl.constexpr = gl.DotOperandLayout(0, S, k_width=2)  # of their softmax, as a factor
    V: gl.constexpr = gl.NVMMADistributedLayout([3, 0], [4, 1], [16, 64, 16])  # of sums
    ROW: gl.constexpr = gl.SliceLayout(1, S)
    row = start + gl.arange(0, 64, ROW)
    last = keys - tokens + row  # the last key a row sees, its own
    near = gl.arange(0, KEYS, gl.SliceLayout(0, S))
    sequence, head = pair // 4, pair % 4
    top = gl.full((64,), -1.0e30, gl.float32, ROW)  # finite: a row may see none of its first keys
    total = gl.zeros((64,), gl.float32, ROW)
    nothing = gl.zeros((64, KEYS), gl.float32, S)
    acc = gl.zeros((64, 64), gl.float32, V)
    mbarrier.wait(q_ready, 0)
    mbarrier.wait(k_ready.index(0), 0)
    s = warpgroup_mma(
        q_tile, k_ring.index(0).permute((1, 0)), nothing, use_acc=False, is_async=True
    )
    s = warpgroup_mma_wait(0, deps=[s])
    mbarrier.arrive(k_free.index(0))
    key = newest * KEYS + near
    s = gl.where(key[None, :] <= last[:, None], s, float("-inf"))
    weights, keep, top, total = soften(s, top, total, 0.18033688011112042)
    p = gl.convert_layout(weights.to(q_tile.dtype), P)
    mbarrier.wait(k_ready.index(1), 0, pred=tiles > 1)
    for i in range(1, tiles):
        before, now, after = (i - 1) % STAGES, i % STAGES, (i + 1) % STAGES
        s = warpgroup_mma(
            q_tile, k_ring.index(now).permute((1, 0)), nothing, use_acc=False, is_async=True
        )
        mbarrier.wait(v_ready.index(before), (i - 1) // STAGES & 1)
        acc = warpgroup_mma(p, v_ring.index(before), acc, is_async=True)
        s = warpgroup_mma_wait(1, deps=[s])
        mbarrier.arrive(k_free.index(now))
        if i < diagonal:
            key = (newest - i) * KEYS + near
            s = gl.where(key[None, :] <= last[:, None], s, float("-inf"))
        weights, keep, top, total = soften(s, top, total, 0.18033688011112042)
        # A branch, behind which the wait for values stays: weights are made while these multiply.
        mbarrier.wait(k_ready.index(after), (i + 1) // STAGES & 1, pred=i + 1 < tiles)
        acc, _, weights = warpgroup_mma_wait(0, deps=[acc, p, weights])
        mbarrier.arrive(v_free.index(before))
        acc *= gl.convert_layout(keep, gl.SliceLayout(1, V))[:, None]
        p = gl.convert_layout(weights.to(q_tile.dtype), P)
    before = (tiles - 1) % STAGES
    mbarrier.wait(v_ready.index(before), (tiles - 1) // STAGES & 1)
    acc = warpgroup_mma(p, v_ring.index(before), acc, is_async=True)
    acc, p = warpgroup_mma_wait(0, deps=[acc, p])
    # No one reads the queries of these rows any more.
    q_tile.store((acc / gl.convert_layout(total, gl.SliceLayout(1, V))[:, None]).to(q_tile.dtype))
    fence_async_shared()
    tma.async_copy_shared_to_global(out_at, [sequence, head, start, 0], q_tile)
    lse_ptr += (pair // 4).to(gl.int64) * tokens * 4 + head % 4
    gl.store(lse_ptr + row * 4, top + gl.log2(total), mask=row < tokens)
    tma.store_wait(0)


@gluon.jit(do_not_specialize=["tokens", "keys"])
def causal_forward(
    lse_ptr,
    q_at,
    k_at,
    v_at,
    out_at,
    tokens,
    keys,
    ROWS: gl.constexpr,
    KEYS: gl.constexpr,
    STAGES: gl.constexpr,
):
    """out = softmax(q kᵀ · 0.125) v, and lse: a token sees all before it."""
    tiles_of_rows = gl.cdiv(tokens, ROWS)
    pair = gl.program_id(0) // tiles_of_rows
    tile = tiles_of_rows - 1 - gl.program_id(0) % tiles_of_rows  # what has most to do comes first
    lowest = keys - tokens + tile * ROWS  # the last key that the first row sees
    highest = gl.minimum(lowest + ROWS, keys) - 1  # and the last row
    newest = highest // KEYS
    diagonal = newest - (lowest + 1) // KEYS + 1  # so many are partly ahead
    tiles = newest + 1
    q_tiles = gl.allocate_shared_memory(q_at.dtype, [2, 64, 64], TILE_64)
    k_ring = gl.allocate_shared_memory(k_at.dtype, [STAGES, KEYS, 64], TILE_64)
    v_ring = gl.allocate_shared_memory(v_at.dtype, [STAGES, KEYS, 64], TILE_64)
    q_ready = gl.allocate_shared_memory(gl.int64, [1], BARRIER)
    k_ready = gl.allocate_shared_memory(gl.int64, [STAGES, 1], BARRIER)
    v_ready = gl.allocate_shared_memory(gl.int64, [STAGES, 1], BARRIER)
    k_free = gl.allocate_shared_memory(gl.int64, [STAGES, 1], BARRIER)
    v_free = gl.allocate_shared_memory(gl.int64, [STAGES, 1], BARRIER)
    mbarrier.init(q_ready, count=1)
    begin_barriers(k_ready, k_free, 2, STAGES)
    begin_barriers(v_ready, v_free, 2, STAGES)
    fence_async_shared()
    sequence, head = pair // 4, pair % 4
    mbarrier.expect(q_ready, 2 * q_at.block_type.nbytes)
    for g in gl.static_range(2):
        at = [sequence, head, tile * ROWS + g * 64, 0]
        tma.async_copy_global_to_shared(q_at, at, q_ready, q_tiles.index(g))
    shared = (
        k_ring,
        v_ring,
        q_ready,
        k_ready,
        v_ready,
        k_free,
        v_free,
        pair,
        tokens,
        keys,
        newest,
        diagonal,
        tiles,
    )
    gl.warp_specialize(
        [
            (causal_rows, (tile * ROWS, lse_ptr, out_at, q_tiles.index(0), shared, KEYS, STAGES)),
            (
                causal_rows,
                (tile * ROWS + 64, lse_ptr, out_at, q_tiles.index(1), shared, KEYS, STAGES),
            ),
            (
                copies,
                (k_at, k_ring, k_ready, k_free, sequence, head // 4, newest, tiles, KEYS, STAGES),
            ),
            (
                copies,
                (v_at, v_ring, v_ready, v_free, sequence, head // 4, newest, tiles, KEYS, STAGES),
            ),
        ],
        [4, 1, 1],
        [240, 24, 24],
    )


class Kind(NamedTuple):
    """A kernel, and how it cuts its work: rows, keys, tiles it has room for, columns of parts."""

    forward: Any
    rows: int
    keys: int
    stages: int
    key_parts: Sequence[int]
    value_parts: Sequence[int]

    @property
    def constants(self) -> dict[str, int]:
        return {"ROWS": self.rows, "KEYS": self.keys, "STAGES": self.stages}


KINDS = {
    "causal": Kind(causal_forward, rows=128, keys=128, stages=4, key_parts=[64], value_parts=[64]),
}


def attention(
    kind: str, q: Tensor, k: Tensor, v: Tensor, beside: Sequence[Tensor], counts: Sequence[int]
) -> tuple[Tensor, Tensor]:
    """What the kernel of this kind in attention_kernels.py gives: out (B, H, T, E), and lse.

    `beside` are tensors, and `counts` numbers of the call, that only kernels of this kind take.
    """
    q, k, v = _even(q), _even(k), _even(v)
    (batch, heads, tokens, _), (_, kv_heads, keys, _), cut = q.shape, k.shape, KINDS[kind]
    out = q.new_empty(batch, tokens, heads, v.shape[3]).transpose(1, 2)
    lse = q.new_empty(batch, kv_heads, heads // kv_heads * tokens, dtype=torch.float32)
    maps = [*_maps(q, 64, cut.key_parts), *_maps(k, cut.keys, cut.key_parts)]
    maps += [*_maps(v, cut.keys, cut.value_parts), *_maps(out, 64, cut.value_parts)]
    grid = (pieces(tokens, cut.rows) * batch * heads,)
    numbers = (tokens, keys, *counts)
    launch(cut.forward, grid, lse, *beside, *maps, *numbers, **cut.constants, num_warps=4)
    return out, lse


def _even(x: Tensor) -> Tensor:
    """x where a tensor map can tell it: 16 bytes divide where its rows begin; else a copy."""
    even = all(step > 0 and step % 8 == 0 for step in x.stride()[:3])
    if even and x.stride(3) == 1 and x.data_ptr() % 16 == 0:
        return x
    return x.clone(memory_format=torch.contiguous_format)


def _maps(x: Tensor, rows: int, parts: Sequence[int]) -> list[TensorDescriptor]:
    """Of each part of x (B, H, T, D): tiles of so many rows, with zeros beyond the end."""
    return [
        TensorDescriptor.from_tensor(part, [1, 1, rows, columns], _layout(columns))
        for part, columns in zip(x.split(parts[0], dim=3), parts, strict=True)
    ]


def _layout(columns: int) -> gl.NVMMASharedLayout:
    """How a tile lies in shared memory, told with its sequence and head."""
    return gl.NVMMASharedLayout(min(128, 2 * columns), 16, rank=4)


CHECKED = {  # heads, key-value heads, their widths, a length beyond what a token sees, sinks, counts
    "causal": (4, 1, 64, 64, 1033, False, []),
}


def check(portable: Callable[..., tuple[Tensor, Tensor]]) -> dict[str, tuple[float, float]]:
    """On a GPU of that kind: how far out and lse are from what `portable` gives, for each kind.

    `portable` takes what `attention` takes. Texts from their start, and the end of longer ones.
    """
    found: dict[str, tuple[float, float]] = {}
    for kind, (heads, kv_heads, width, value_width, length, sinks, counts) in CHECKED.items():
        apart = [0.0, 0.0]
        for tokens, keys in ((length, length), (length, length + 77), (70, length)):
            shapes = (
                (tokens, heads, width),
                (keys, kv_heads, width),
                (keys, kv_heads, value_width),
            )
            like: Any = {"device": "cuda", "dtype": torch.bfloat16}
            q, k, v = (torch.randn(2, *shape, **like).transpose(1, 2) for shape in shapes)
            beside = [torch.randn(heads, **like)] if sinks else []
            got = attention(kind, q, k, v, beside, counts)
            want = portable(kind, q, k, v, beside, counts)
            differences = [float((x - y).abs().max()) for x, y in zip(got, want, strict=True)]
            apart = [max(pair) for pair in zip(apart, differences, strict=True)]
        found[kind] = apart[0], apart[1]
    return found


def variants() -> list[Variant]:
    """The kernels as this model launches them, in bfloat16."""
    return [_variant(kind) for kind in KINDS.values()]


def _variant(kind: Kind) -> Variant:
    signature: dict[str, str] = {}
    for name in kind.forward.arg_names:
        x, _, columns = name.partition("_at")
        if name.endswith("_ptr"):
            signature[name] = "*fp32" if name == "lse_ptr" else "*bf16"
        elif x in ("q", "k", "v", "out"):
            parts = kind.key_parts if x in ("q", "k") else kind.value_parts
            rows, width = kind.keys if x in ("k", "v") else 64, int(columns.strip("_") or parts[0])
            block = [1, 1, rows, width]
            signature[name] = f"tensordesc<bf16{block},{_layout(width)!r}>"
        else:
            signature[name] = "constexpr" if name.isupper() else "i32"
    even = tuple(name for name in signature if name.endswith("_ptr"))
    name = f"{kind.forward.__name__}_hopper"
    return Variant(name, kind.forward, signature, kind.constants, 4, 1, even, "sm_90")
