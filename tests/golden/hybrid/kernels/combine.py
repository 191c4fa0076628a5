# Built by archspec 0.1.0 from hybrid.yaml; edit the spec and build again.
"""A token's sum over its experts, weighed: read once, added up in float32.

EACH     k, the experts of a token; SLOTS, that rounded up to a power of two
WIDTH    C, the numbers of a token, of which a program has COLUMNS at once
pair     a token and an expert it chose: the pairs of a token lie side by side
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from ..operators import NAMESPACE
from .launch import launch, pieces


@triton.jit
def combine_forward(
    y,
    weights,
    out,
    EACH: tl.constexpr,
    SLOTS: tl.constexpr,
    WIDTH: tl.constexpr,
    COLUMNS: tl.constexpr,
):
    """out = Σ weights · y over the EACH pairs of a token, COLUMNS of it."""
    token = tl.program_id(0).to(tl.int64)
    column = tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS)
    slot = tl.arange(0, SLOTS)[:, None]
    pair = token * EACH + slot
    w = tl.load(weights + pair, mask=slot < EACH, other=0.0).to(tl.float32)
    inside = (slot < EACH) & (column < WIDTH)[None, :]
    ys = tl.load(y + pair * WIDTH + column[None, :], mask=inside, other=0.0).to(tl.float32)
    tl.store(out + token * WIDTH + column, tl.sum(w * ys, axis=0), mask=column < WIDTH)


@triton.jit
def combine_backward(
    grad,
    y,
    weights,
    grad_y,
    grad_weights,
    EACH: tl.constexpr,
    SLOTS: tl.constexpr,
    WIDTH: tl.constexpr,
    COLUMNS: tl.constexpr,
):
    """grad_y = weights · grad for each pair of a token, and grad_weights = Σ grad · y."""
    token = tl.program_id(0).to(tl.int64)
    slot = tl.arange(0, SLOTS)[:, None]
    pair = token * EACH + slot
    w = tl.load(weights + pair, mask=slot < EACH, other=0.0).to(tl.float32)
    total = tl.zeros((SLOTS, COLUMNS), tl.float32)
    for first in range(0, WIDTH, COLUMNS):
        column = first + tl.arange(0, COLUMNS)[None, :]
        inside = (slot < EACH) & (column < WIDTH)
        g = tl.load(grad + token * WIDTH + column, mask=column < WIDTH, other=0.0).to(tl.float32)
        ys = tl.load(y + pair * WIDTH + column, mask=inside, other=0.0).to(tl.float32)
        total += g * ys
        tl.store(grad_y + pair * WIDTH + column, w * g, mask=inside)
    total = tl.sum(total, axis=1)[:, None]
    tl.store(grad_weights + pair, total, mask=slot < EACH)


def combine(y: Tensor, weights: Tensor) -> Tensor:
    """Σ weights · y over the pairs of each token: (k·N, C), (N, k) → (N, C)."""
    return _combine(y.contiguous(), weights.contiguous())


@torch.library.custom_op(f"{NAMESPACE}::expert_combine", mutates_args=())
def _combine(y: Tensor, weights: Tensor) -> Tensor:
    (tokens, each), width = weights.shape, y.shape[1]
    out, sizes = y.new_empty(tokens, width), sizes_of(each, width)
    grid = (tokens, pieces(width, sizes["COLUMNS"]))
    launch(combine_forward, grid, y, weights, out, **sizes, num_warps=4)
    return out


@_combine.register_fake
def _(y: Tensor, weights: Tensor) -> Tensor:
    return y.new_empty(weights.shape[0], y.shape[1])


@torch.library.custom_op(f"{NAMESPACE}::expert_combine_backward", mutates_args=())
def _combine_grads(grad: Tensor, y: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    grads = torch.empty_like(y), torch.empty_like(weights)
    (tokens, each), width = weights.shape, y.shape[1]
    tensors = (grad.contiguous(), y, weights, *grads)
    launch(combine_backward, (tokens,), *tensors, **sizes_of(each, width), num_warps=4)
    return grads


@_combine_grads.register_fake
def _(grad: Tensor, y: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    return torch.empty_like(y), torch.empty_like(weights)


_combine.register_autograd(
    lambda ctx, grad: _combine_grads(grad, *ctx.saved_tensors),
    setup_context=lambda ctx, inputs, output: ctx.save_for_backward(*inputs),
)


def sizes_of(each: int, width: int) -> dict[str, int]:
    """2,048 numbers at once, of all pairs of a token."""
    slots = 1 << (each - 1).bit_length()
    return {"EACH": each, "SLOTS": slots, "WIDTH": width, "COLUMNS": max(128, 2048 // slots)}
