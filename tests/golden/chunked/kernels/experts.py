# Built by archspec 0.1.0 from chunked.yaml; edit the spec and build again.
"""Linear maps of experts, each over its own rows.

pair     a token and an expert it chose: the pairs of a token lie side by side, k of them
row      the place of a pair after sorting by expert, where the pairs of each expert lie together
order    the pair of each row
ends     (E,): the row behind each expert's last; no program on the host ever needs to know it
EACH     k where a map reads tokens and gives rows; 0 where it reads rows and gives pairs
IN, OUT  how many numbers it reads and gives
read     IN, for the loop alone: a compiler that knows it unrolls short ones, for many seconds
BACK     whether it takes gradients back, through weights that are (IN, OUT) and not (OUT, IN)
EXPERTS  E; PADDED, that rounded up to a power of two
ROWS     rows of one expert that a program has in hand, of whose results it computes COLUMNS;
         DEPTH, the numbers that it multiplies at once
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
import triton
import triton.language as tl
from torch import Tensor

from ..operators import NAMESPACE, in_autocast
from .launch import launch, pieces


@triton.jit
def place(ends, tile, EXPERTS: tl.constexpr, PADDED: tl.constexpr, ROWS: tl.constexpr):
    """The expert of a tile, the tile's first row, and the row behind the expert's last.

    The tiles of expert e begin at ends[e − 1] // ROWS + e, which leaves room for all its rows and
    follows from `ends` alone. At most one tile of each expert has no rows.
    """
    each = tl.arange(0, PADDED)
    behind = tl.load(ends + each, mask=each < EXPERTS, other=0) // ROWS + each + 1
    expert = tl.sum(((each < EXPERTS) & (behind <= tile)).to(tl.int64), axis=0)
    begin = tl.load(ends + expert - 1, mask=expert > 0, other=0)
    first = begin + (tile - begin // ROWS - expert) * ROWS
    return expert, first, tl.load(ends + expert)


@triton.jit(do_not_specialize=["read"])
def linear(
    x,
    weight,
    y,
    order,
    ends,
    read,
    IN: tl.constexpr,
    OUT: tl.constexpr,
    EXPERTS: tl.constexpr,
    PADDED: tl.constexpr,
    EACH: tl.constexpr,
    BACK: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
    DEPTH: tl.constexpr,
):
    """y = x W_eᵀ for the rows of each expert e; with BACK, y = x W_e."""
    blocks = tl.cdiv(OUT, COLUMNS)
    expert, first, end = place(ends, tl.program_id(0) // blocks, EXPERTS, PADDED, ROWS)
    if first >= end:
        return
    row = first + tl.arange(0, ROWS)
    there = row < end
    pair = tl.load(order + row, mask=there, other=0)
    source = pair // EACH if EACH else tl.where(there, row, first)
    target = row if EACH else pair
    column = tl.program_id(0) % blocks * COLUMNS + tl.arange(0, COLUMNS)
    given = (column < OUT)[None, :]
    depth = tl.arange(0, DEPTH)
    x += source[:, None] * IN + depth[None, :]
    weight += expert * (IN * OUT)
    weight += depth[:, None] * (OUT if BACK else 1) + column[None, :] * (1 if BACK else IN)
    total = tl.zeros((ROWS, COLUMNS), tl.float32)
    for _ in range(0, read, DEPTH):
        xs = tl.load(x)
        ws = tl.load(weight, mask=given, other=0.0)
        total = tl.dot(xs, ws, total, input_precision="ieee")
        x += DEPTH
        weight += DEPTH * (OUT if BACK else 1)
    tl.store(y + target[:, None] * OUT + column[None, :], total, mask=there[:, None] & given)


@triton.jit
def outer(
    grad,
    x,
    grad_weight,
    order,
    ends,
    IN: tl.constexpr,
    OUT: tl.constexpr,
    EACH: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
    DEPTH: tl.constexpr,
):
    """grad_weight_e = gradᵀ x over the rows of each expert e: DEPTH of OUT times COLUMNS of IN."""
    across, along = tl.cdiv(IN, COLUMNS), tl.cdiv(OUT, DEPTH)
    expert = (tl.program_id(0) // (across * along)).to(tl.int64)
    begin = tl.load(ends + expert - 1, mask=expert > 0, other=0)
    end = tl.load(ends + expert)
    column = tl.program_id(0) % across * COLUMNS + tl.arange(0, COLUMNS)
    depth = tl.program_id(0) // across % along * DEPTH + tl.arange(0, DEPTH)
    total = tl.zeros((DEPTH, COLUMNS), tl.float32)
    for first in range(begin, end, ROWS):
        row = first + tl.arange(0, ROWS)
        there = row < end
        pair = tl.load(order + row, mask=there, other=0)
        of_grad, of_x = (row, pair // EACH) if EACH else (pair, row)
        gs_at, xs_at = of_grad[:, None] * OUT + depth[None, :], of_x[:, None] * IN + column[None, :]
        gs = tl.load(grad + gs_at, mask=there[:, None] & (depth < OUT)[None, :], other=0.0)
        xs = tl.load(x + xs_at, mask=there[:, None] & (column < IN)[None, :], other=0.0)
        total = tl.dot(tl.trans(gs), xs, total, input_precision="ieee")
    at = expert * (IN * OUT) + depth[:, None] * IN + column[None, :]
    tl.store(grad_weight + at, total, mask=(depth < OUT)[:, None] & (column < IN)[None, :])


class Tiles(NamedTuple):
    """How a kernel cuts its work, and what a program of it runs on."""

    rows: int
    columns: int
    depth: int
    warps: int
    stages: int


# By how many rows an expert has on average: the first with at least so many, else the last.
FORWARD = (
    Tiles(rows=16, columns=64, depth=64, warps=4, stages=5),
    Tiles(rows=64, columns=128, depth=64, warps=4, stages=3),
    Tiles(rows=128, columns=128, depth=64, warps=8, stages=3),
)
BACKWARD = Tiles(rows=128, columns=128, depth=64, warps=8, stages=3)
OUTER = Tiles(rows=64, columns=128, depth=128, warps=8, stages=3)
SMALL = Tiles(rows=32, columns=64, depth=32, warps=4, stages=1)  # for float32


def to_rows(x: Tensor, weight: Tensor, order: Tensor, ends: Tensor, each: int) -> Tensor:
    """Tokens, of `each` experts, times their weight[e]ᵀ: (N, in), (E, out, in) → rows (each·N, out)."""
    x, weight = in_autocast(x).contiguous(), in_autocast(weight).contiguous()
    return _expert_linear(x, weight, order, ends, each)


def to_pairs(x: Tensor, weight: Tensor, order: Tensor, ends: Tensor) -> Tensor:
    """Rows times weight[e]ᵀ of their expert: (k·N, in), (E, out, in) → pairs (k·N, out)."""
    x, weight = in_autocast(x).contiguous(), in_autocast(weight).contiguous()
    return _expert_linear(x, weight, order, ends, 0)


@torch.library.custom_op(f"{NAMESPACE}::expert_linear", mutates_args=())
def _expert_linear(x: Tensor, weight: Tensor, order: Tensor, ends: Tensor, each: int) -> Tensor:
    experts, width, _ = weight.shape
    y = x.new_empty(order.shape[0], width)
    _run_linear(x, weight, y, order, ends, each, _forward_tiles(x, order.shape[0] // experts))
    return y


@_expert_linear.register_fake
def _(x: Tensor, weight: Tensor, order: Tensor, ends: Tensor, each: int) -> Tensor:
    return x.new_empty(order.shape[0], weight.shape[1])


@torch.library.custom_op(f"{NAMESPACE}::expert_linear_back", mutates_args=())
def _expert_linear_back(
    grad: Tensor, weight: Tensor, order: Tensor, ends: Tensor, each: int
) -> Tensor:
    """The gradient of what each pair, or each row, has read."""
    y = grad.new_empty(order.shape[0], weight.shape[2])
    # What reads rows gives pairs on the way there, and the other way round on the way back.
    back, tiles = 0 if each else 1, BACKWARD if grad.element_size() == 2 else SMALL
    _run_linear(grad, weight, y, order, ends, back, tiles, back=True)
    return y


@_expert_linear_back.register_fake
def _(grad: Tensor, weight: Tensor, order: Tensor, ends: Tensor, each: int) -> Tensor:
    return grad.new_empty(order.shape[0], weight.shape[2])


@torch.library.custom_op(f"{NAMESPACE}::expert_outer", mutates_args=())
def _expert_outer(grad: Tensor, x: Tensor, order: Tensor, ends: Tensor, each: int) -> Tensor:
    """The gradient of the weights."""
    tiles = OUTER if grad.element_size() == 2 else SMALL
    experts, wide, width = ends.shape[0], grad.shape[1], x.shape[1]
    out = grad.new_empty(experts, wide, width)
    grid = (experts * pieces(wide, tiles.depth) * pieces(width, tiles.columns),)
    sizes = {"IN": width, "OUT": wide, "EACH": each}
    _run(outer, grid, (grad, x, out, order, ends), sizes, tiles)
    return out


@_expert_outer.register_fake
def _(grad: Tensor, x: Tensor, order: Tensor, ends: Tensor, each: int) -> Tensor:
    return grad.new_empty(ends.shape[0], grad.shape[1], x.shape[1])


def _save(ctx, inputs, output):
    x, weight, order, ends, ctx.each = inputs
    ctx.save_for_backward(x, weight, order, ends)


def _grads(ctx, grad):
    x, weight, order, ends = ctx.saved_tensors
    grad, to_x, to_weight = grad.contiguous(), None, None
    if ctx.needs_input_grad[0]:
        to_x = _expert_linear_back(grad, weight, order, ends, ctx.each)
        to_x = to_x.view(x.shape[0], ctx.each, x.shape[1]).sum(dim=1) if ctx.each > 1 else to_x
    if ctx.needs_input_grad[1]:
        to_weight = _expert_outer(grad, x, order, ends, ctx.each)
    return to_x, to_weight, None, None, None


_expert_linear.register_autograd(_grads, setup_context=_save)


def _forward_tiles(like: Tensor, rows: int) -> Tiles:
    if like.element_size() == 4:
        return SMALL
    return next((tiles for tiles in FORWARD if rows <= tiles.rows), FORWARD[-1])


def _run_linear(
    x: Tensor,
    weight: Tensor,
    y: Tensor,
    order: Tensor,
    ends: Tensor,
    each: int,
    tiles: Tiles,
    back: bool = False,
) -> None:
    sizes = sizes_of(weight.shape, each, back)
    grid = ((order.shape[0] // tiles.rows + weight.shape[0]) * pieces(y.shape[1], tiles.columns),)
    _run(linear, grid, (x, weight, y, order, ends, x.shape[1]), sizes, tiles)


def sizes_of(shape: tuple[int, ...], each: int, back: bool) -> dict[str, int]:
    experts, wide, width = shape
    there = {"IN": wide, "OUT": width} if back else {"IN": width, "OUT": wide}
    padded = 1 << (experts - 1).bit_length()
    return {**there, "EXPERTS": experts, "PADDED": padded, "EACH": each, "BACK": back}


def _run(kernel: Any, grid: tuple[int], tensors: Any, sizes: dict[str, Any], tiles: Tiles) -> None:
    cut = {"ROWS": tiles.rows, "COLUMNS": tiles.columns, "DEPTH": tiles.depth}
    run = {"num_warps": tiles.warps, "num_stages": tiles.stages}
    launch(kernel, grid, *tensors, **sizes, **cut, **run)
