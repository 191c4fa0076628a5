# Built by archspec 0.1.0 from layer-vectors.yaml; edit the spec and build again.
"""RMSNorm of each head and the rotation after it, in one pass over the heads of each token.

The names of shapes are those of rotary.py. (a, b) is a pair that turns together, r one over
the root mean square of its head, and n = (a, b) · r; the norm gives n · weight.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from ..operators import NAMESPACE
from .launch import launch
from .rotary import constants_of, even_tokens, packed, warps_of

PROGRAMS = 1024  # of the backward pass, each with a sum of its own for the weight's gradient


@triton.jit(do_not_specialize=["rows"])
def norm_rotate_forward(
    x,
    weight,
    cos,
    sin,
    y,
    rows,
    eps,
    H: tl.constexpr,
    WIDTH: tl.constexpr,
    EVERY: tl.constexpr,
    APART: tl.constexpr,
    HEADS: tl.constexpr,
    PAIRS: tl.constexpr,
    NEXT: tl.constexpr,
    HEAD: tl.constexpr,
):
    """y is n · weight, turned: x and y (B, H, T, WIDTH)."""
    token = tl.program_id(0).to(tl.int64)
    head, pair = tl.arange(0, HEADS)[:, None], tl.arange(0, PAIRS)[None, :]
    first, turned = pair * EVERY, pair < WIDTH // 2
    second, inside = first + APART, (head < H) & turned
    c = tl.load(cos + token % rows * WIDTH + second, mask=turned, other=0.0).to(tl.float32)
    s = tl.load(sin + token % rows * WIDTH + second, mask=turned, other=0.0).to(tl.float32)
    a = tl.load(x + token * NEXT + head * HEAD + first, mask=inside, other=0.0).to(tl.float32)
    b = tl.load(x + token * NEXT + head * HEAD + second, mask=inside, other=0.0).to(tl.float32)
    r = tl.rsqrt(tl.sum(a * a + b * b, axis=1) / WIDTH + eps)[:, None]
    a *= r * (tl.load(weight + first, mask=turned, other=0.0).to(tl.float32))
    b *= r * (tl.load(weight + second, mask=turned, other=0.0).to(tl.float32))
    y += (token * H + head) * WIDTH
    tl.store(y + first, a * c - b * s, mask=inside)
    tl.store(y + second, b * c + a * s, mask=inside)


@triton.jit(do_not_specialize=["tokens", "rows"])
def norm_rotate_backward(
    grad_y,
    x,
    weight,
    cos,
    sin,
    grad_x,
    grad_weight,
    tokens,
    rows,
    eps,
    H: tl.constexpr,
    WIDTH: tl.constexpr,
    EVERY: tl.constexpr,
    APART: tl.constexpr,
    HEADS: tl.constexpr,
    PAIRS: tl.constexpr,
    NEXT: tl.constexpr,
    HEAD: tl.constexpr,
):
    """Both gradients, with (g, h) = weight times the pair of grad_y turned back.

    grad_x = r · ((g, h) − n · mean(n · (g, h))); grad_weight sums n · (g, h) / weight
    over a program's tokens, which are every PROGRAMS-th.
    """
    head, pair = tl.arange(0, HEADS)[:, None], tl.arange(0, PAIRS)[None, :]
    first, turned = pair * EVERY, pair < WIDTH // 2
    second, inside = first + APART, (head < H) & turned
    scale_a = tl.load(weight + first, mask=turned, other=0.0).to(tl.float32)
    scale_b = tl.load(weight + second, mask=turned, other=0.0).to(tl.float32)
    total_a = tl.zeros((HEADS, PAIRS), tl.float32)
    total_b = tl.zeros((HEADS, PAIRS), tl.float32)
    for number in range(tl.program_id(0), tokens, tl.num_programs(0)):
        token = tl.cast(number, tl.int64)
        read, written = token * NEXT + head * HEAD, (token * H + head) * WIDTH
        c = tl.load(cos + token % rows * WIDTH + second, mask=turned, other=0.0).to(tl.float32)
        s = tl.load(sin + token % rows * WIDTH + second, mask=turned, other=0.0).to(tl.float32)
        a = tl.load(x + read + first, mask=inside, other=0.0).to(tl.float32)
        b = tl.load(x + read + second, mask=inside, other=0.0).to(tl.float32)
        u = tl.load(grad_y + written + first, mask=inside, other=0.0).to(tl.float32)
        v = tl.load(grad_y + written + second, mask=inside, other=0.0).to(tl.float32)
        r = tl.rsqrt(tl.sum(a * a + b * b, axis=1) / WIDTH + eps)[:, None]
        a, b = a * r, b * r
        g, h = u * c + v * s, v * c - u * s
        total_a += g * a
        total_b += h * b
        g, h = g * scale_a, h * scale_b
        along = (tl.sum(g * a + h * b, axis=1) / WIDTH)[:, None]
        tl.store(grad_x + written + first, r * (g - a * along), mask=inside)
        tl.store(grad_x + written + second, r * (h - b * along), mask=inside)
    grad_weight += tl.program_id(0) * WIDTH
    tl.store(grad_weight + first, tl.sum(total_a, axis=0)[None, :], mask=turned)
    tl.store(grad_weight + second, tl.sum(total_b, axis=0)[None, :], mask=turned)


def norm_rotate(
    x: Tensor, weight: Tensor, cos: Tensor, sin: Tensor, eps: float, pairs: int
) -> Tensor:
    """Norm each head, then turn pairs that lie `pairs` apart: (B, H, T, W) → (B, H, T, W)."""
    tables = cos.contiguous(), sin.contiguous()
    return _norm_turn(even_tokens(x), weight, *tables, eps, pairs)


@torch.library.custom_op(f"{NAMESPACE}::norm_rotate", mutates_args=())
def _norm_turn(
    x: Tensor, weight: Tensor, cos: Tensor, sin: Tensor, eps: float, apart: int
) -> Tensor:
    y, constants = packed(x), constants_of(x, apart)
    batch, _, tokens, _ = x.shape
    tensors, numbers = (x, weight, cos, sin, y), (cos.shape[0] * tokens, eps)
    grid, warps = (batch * tokens,), warps_of(constants)
    launch(norm_rotate_forward, grid, *tensors, *numbers, **constants, num_warps=warps)
    return y


@_norm_turn.register_fake
def _(x: Tensor, weight: Tensor, cos: Tensor, sin: Tensor, eps: float, apart: int) -> Tensor:
    return packed(x)


@torch.library.custom_op(f"{NAMESPACE}::norm_rotate_backward", mutates_args=())
def _norm_turn_backward(
    grad_y: Tensor,
    x: Tensor,
    weight: Tensor,
    cos: Tensor,
    sin: Tensor,
    eps: float,
    apart: int,
) -> tuple[Tensor, Tensor]:
    grad_x, constants = packed(x), constants_of(x, apart)
    grad_y = grad_y if grad_y.transpose(1, 2).is_contiguous() else packed(x).copy_(grad_y)
    tokens, each = x.shape[0] * x.shape[2], x.shape[2]
    programs, warps = min(PROGRAMS, tokens), warps_of(constants)
    sums = weight.new_empty(programs, x.shape[3], dtype=torch.float32)
    tensors = (grad_y, x, weight, cos, sin, grad_x, sums)
    numbers = (tokens, cos.shape[0] * each, eps)
    launch(norm_rotate_backward, (programs,), *tensors, *numbers, **constants, num_warps=warps)
    return grad_x, sums.sum(dim=0).to(weight.dtype)


@_norm_turn_backward.register_fake
def _(
    grad_y: Tensor,
    x: Tensor,
    weight: Tensor,
    cos: Tensor,
    sin: Tensor,
    eps: float,
    apart: int,
) -> tuple[Tensor, Tensor]:
    return packed(x), torch.empty_like(weight)


def _save(ctx, inputs, output):
    *tensors, ctx.eps, ctx.apart = inputs
    ctx.save_for_backward(*tensors)


def _grads(ctx, grad_y):
    numbers = ctx.eps, ctx.apart
    return *_norm_turn_backward(grad_y, *ctx.saved_tensors, *numbers), None, None, None, None


_norm_turn.register_autograd(_grads, setup_context=_save)
