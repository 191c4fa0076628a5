# Built by archspec 0.1.0 from sparse.yaml; edit the spec and build again.
"""RMSNorm as one pass over the rows: x / sqrt(mean(x²) + eps) · weight, in float32.

rows     R, how many vectors are normed, whatever dimensions they stand in
WIDTH    W, the numbers in one
ROWS     vectors that a program has in hand at once, a power of two
COLUMNS  W rounded up to a power of two; what is beyond W is masked, and zero
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from ..operators import NAMESPACE
from .launch import launch, pieces

PROGRAMS = 512  # of the backward pass, each with a sum of its own for the weight's gradient


@triton.jit(do_not_specialize=["rows"])
def norm_forward(
    x,
    weight,
    y,
    rows,
    eps,
    WIDTH: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
):
    """y = x · r · weight, where r = 1 / sqrt(mean(x²) + eps): x and y (R, W)."""
    row = (tl.program_id(0) * ROWS + tl.arange(0, ROWS)).to(tl.int64)[:, None]
    column = tl.arange(0, COLUMNS)[None, :]
    at, inside = row * WIDTH + column, (row < rows) & (column < WIDTH)
    xs = tl.load(x + at, mask=inside, other=0.0).to(tl.float32)  # (ROWS, COLUMNS)
    scale = tl.load(weight + column, mask=column < WIDTH, other=0.0).to(tl.float32)
    r = tl.rsqrt(tl.sum(xs * xs, axis=1) / WIDTH + eps)[:, None]
    tl.store(y + at, xs * r * scale, mask=inside)


@triton.jit(do_not_specialize=["rows"])
def norm_backward(
    grad_y,
    x,
    weight,
    grad_sum,
    grad_x,
    grad_weight,
    rows,
    eps,
    WIDTH: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
):
    """Both gradients, with n = x · r and g = grad_y · weight.

    grad_x = r · (g − n · mean(g · n)) + grad_sum, and grad_y · n summed over a program's
    rows, which are every PROGRAMS-th: grad_weight (PROGRAMS, W).
    """
    program = tl.program_id(0)
    column = tl.arange(0, COLUMNS)[None, :]
    scale = tl.load(weight + column, mask=column < WIDTH, other=0.0).to(tl.float32)
    total = tl.zeros((ROWS, COLUMNS), tl.float32)
    for first in range(program * ROWS, rows, tl.num_programs(0) * ROWS):
        row = (first + tl.arange(0, ROWS)).to(tl.int64)[:, None]
        at, inside = row * WIDTH + column, (row < rows) & (column < WIDTH)
        xs = tl.load(x + at, mask=inside, other=0.0).to(tl.float32)  # (ROWS, COLUMNS)
        gs = tl.load(grad_y + at, mask=inside, other=0.0).to(tl.float32)
        r = tl.rsqrt(tl.sum(xs * xs, axis=1) / WIDTH + eps)[:, None]
        n = xs * r
        total += gs * n
        gs *= scale
        along = (tl.sum(gs * n, axis=1) / WIDTH)[:, None]
        to_x = r * (gs - n * along)
        if grad_sum is not None:
            to_x += tl.load(grad_sum + at, mask=inside, other=0.0)
        tl.store(grad_x + at, to_x, mask=inside)
    total = tl.sum(total, axis=0)[None, :]
    tl.store(grad_weight + program * WIDTH + column, total, mask=column < WIDTH)


@triton.jit(do_not_specialize=["rows"])
def add_norm_forward(
    x,
    branch,
    weight,
    total,
    y,
    rows,
    eps,
    WIDTH: tl.constexpr,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
):
    """total = x + branch, rounded as the sum is kept, and y the norm of that: all (R, W)."""
    row = (tl.program_id(0) * ROWS + tl.arange(0, ROWS)).to(tl.int64)[:, None]
    column = tl.arange(0, COLUMNS)[None, :]
    at, inside = row * WIDTH + column, (row < rows) & (column < WIDTH)
    xs = tl.load(x + at, mask=inside, other=0.0).to(tl.float32)  # (ROWS, COLUMNS)
    xs += tl.load(branch + at, mask=inside, other=0.0)
    kept = xs.to(total.dtype.element_ty)
    tl.store(total + at, kept, mask=inside)
    xs = kept.to(tl.float32)
    scale = tl.load(weight + column, mask=column < WIDTH, other=0.0).to(tl.float32)
    r = tl.rsqrt(tl.sum(xs * xs, axis=1) / WIDTH + eps)[:, None]
    tl.store(y + at, xs * r * scale, mask=inside)


def tiles_of(width: int) -> dict[str, int]:
    """Whole rows at once: one of them from 2,048 numbers on, several of narrower ones."""
    columns = 1 << (width - 1).bit_length()
    rows, warps = max(1, 2048 // columns), min(16, max(4, columns // 512))
    return {"WIDTH": width, "ROWS": rows, "COLUMNS": columns, "num_warps": warps}


def rms_norm(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    """x / sqrt(mean(x²) + eps) · weight over the last dimension: (…, W), (W,) → (…, W)."""
    return _rms_norm(_rows(x), weight, eps)


def _rows(x: Tensor) -> Tensor:
    """x where its rows lie one behind the other, as those of transposed heads do; else a copy."""
    heads = x.ndim == 4 and x.transpose(1, 2).is_contiguous()
    return x if heads else x.contiguous()


@torch.library.custom_op(f"{NAMESPACE}::rms_norm", mutates_args=())
def _rms_norm(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    y = torch.empty_like(x)
    width = x.shape[-1]
    rows, tiles = x.numel() // width, tiles_of(width)
    grid = (pieces(rows, tiles["ROWS"]),)
    launch(norm_forward, grid, x, weight, y, rows, eps, **tiles)
    return y


@_rms_norm.register_fake
def _(x: Tensor, weight: Tensor, eps: float) -> Tensor:
    return torch.empty_like(x)


@torch.library.custom_op(f"{NAMESPACE}::rms_norm_backward", mutates_args=())
def _rms_norm_backward(
    grad_y: Tensor, x: Tensor, weight: Tensor, eps: float
) -> tuple[Tensor, Tensor]:
    grad_y = torch.empty_like(x).copy_(grad_y) if grad_y.stride() != x.stride() else grad_y
    return _run_backward(grad_y, x, weight, None, eps)


@_rms_norm_backward.register_fake
def _(grad_y: Tensor, x: Tensor, weight: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    return torch.empty_like(x), torch.empty_like(weight)


def _save(ctx, inputs, output):
    x, weight, ctx.eps = inputs
    ctx.save_for_backward(x, weight)


def _grads(ctx, grad_y):
    return *_rms_norm_backward(grad_y, *ctx.saved_tensors, ctx.eps), None


_rms_norm.register_autograd(_grads, setup_context=_save)


def add_norm(x: Tensor, branch: Tensor, weight: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    """x + branch and its norm, in one pass over both: (…, W) twice, (W,) → (…, W) twice."""
    return _add_norm(x.contiguous(), branch.contiguous(), weight, eps)


@torch.library.custom_op(f"{NAMESPACE}::add_rms_norm", mutates_args=())
def _add_norm(x: Tensor, branch: Tensor, weight: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    total, y, width = torch.empty_like(x), torch.empty_like(x), x.shape[-1]
    rows, tiles = x.numel() // width, tiles_of(width)
    tensors, grid = (x, branch, weight, total, y), (pieces(rows, tiles["ROWS"]),)
    launch(add_norm_forward, grid, *tensors, rows, eps, **tiles)
    return total, y


@_add_norm.register_fake
def _(x: Tensor, branch: Tensor, weight: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    return torch.empty_like(x), torch.empty_like(x)


@torch.library.custom_op(f"{NAMESPACE}::add_rms_norm_backward", mutates_args=())
def _add_norm_backward(
    grad_sum: Tensor, grad_y: Tensor, total: Tensor, weight: Tensor, eps: float
) -> tuple[Tensor, Tensor]:
    """The gradient of x, which is that of the branch as well, and the weight's."""
    grads = grad_y.contiguous(), total, weight, grad_sum.contiguous()
    return _run_backward(*grads, eps)


@_add_norm_backward.register_fake
def _(
    grad_sum: Tensor, grad_y: Tensor, total: Tensor, weight: Tensor, eps: float
) -> tuple[Tensor, Tensor]:
    return torch.empty_like(total), torch.empty_like(weight)


def _save_sum(ctx, inputs, output):
    _, _, weight, ctx.eps = inputs
    ctx.save_for_backward(output[0], weight)


def _sum_grads(ctx, grad_sum, grad_y):
    grads = grad_sum, grad_y, *ctx.saved_tensors
    grad, grad_weight = _add_norm_backward(*grads, ctx.eps)
    return grad, grad, grad_weight, None


_add_norm.register_autograd(_sum_grads, setup_context=_save_sum)


def _run_backward(
    grad_y: Tensor, x: Tensor, weight: Tensor, grad_sum: Tensor | None, eps: float
) -> tuple[Tensor, Tensor]:
    grad_x, width = torch.empty_like(x), x.shape[-1]
    rows, tiles = x.numel() // width, tiles_of(width)
    programs = min(PROGRAMS, pieces(rows, tiles["ROWS"]))
    sums = weight.new_empty(programs, width, dtype=torch.float32)
    tensors = (grad_y, x, weight, grad_sum, grad_x, sums)
    launch(norm_backward, (programs,), *tensors, rows, eps, **tiles)
    return grad_x, sums.sum(dim=0).to(weight.dtype)
