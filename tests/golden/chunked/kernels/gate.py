# Built by archspec 0.1.0 from chunked.yaml; edit the spec and build again.
"""Gated activations in one pass: an activation of the gate times up, computed in float32.

WIDTH   the numbers in a row of the result; a program computes BLOCK of them, a power of two
STRIDE  the numbers from one row of gate or up to the next
g, u    gate and up; a the activation of g; d the gradient that comes back
"""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from ..operators import NAMESPACE
from .launch import launch, pieces

# For each width: BLOCK, and the warps of a program.
TILES = {
    256: (256, 1),
    512: (512, 2),
}


# silu(gate) · up


@triton.jit
def gated_silu_forward(gate, up, y, STRIDE: tl.constexpr, WIDTH: tl.constexpr, BLOCK: tl.constexpr):
    """y = silu(gate) · up, a block of one row."""
    row, column = tl.program_id(0).to(tl.int64), tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside, at = column < WIDTH, row * STRIDE + column
    g = tl.load(gate + at, mask=inside, other=0.0).to(tl.float32)
    u = tl.load(up + at, mask=inside, other=0.0).to(tl.float32)
    s = tl.sigmoid(g)
    a = g * s
    tl.store(y + row * WIDTH + column, a * u, mask=inside)


@triton.jit
def gated_silu_backward(
    grad_y,
    gate,
    up,
    grad_gate,
    grad_up,
    STRIDE: tl.constexpr,
    WIDTH: tl.constexpr,
    BLOCK: tl.constexpr,
):
    """The gradients of both, which lie as gate and up do."""
    row, column = tl.program_id(0).to(tl.int64), tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside, at = column < WIDTH, row * STRIDE + column
    g = tl.load(gate + at, mask=inside, other=0.0).to(tl.float32)
    u = tl.load(up + at, mask=inside, other=0.0).to(tl.float32)
    d = tl.load(grad_y + row * WIDTH + column, mask=inside, other=0.0).to(tl.float32)
    s = tl.sigmoid(g)
    a = g * s
    tl.store(grad_gate + at, d * u * (s * (1.0 + g * (1.0 - s))), mask=inside)
    tl.store(grad_up + at, d * a, mask=inside)


def gated_silu(gate: Tensor, up: Tensor) -> Tensor:
    """silu(gate) · up: (…, W) twice → (…, W)."""
    return _gated_silu(gate.contiguous(), up.contiguous())


@torch.library.custom_op(f"{NAMESPACE}::gated_silu", mutates_args=())
def _gated_silu(gate: Tensor, up: Tensor) -> Tensor:
    y = torch.empty_like(gate)
    _run(gated_silu_forward, y.shape, (gate, up, y), stride=y.shape[-1])
    return y


@_gated_silu.register_fake
def _(gate: Tensor, up: Tensor) -> Tensor:
    return torch.empty_like(gate)


@torch.library.custom_op(f"{NAMESPACE}::gated_silu_backward", mutates_args=())
def _gated_silu_grads(grad_y: Tensor, gate: Tensor, up: Tensor) -> tuple[Tensor, Tensor]:
    grads = torch.empty_like(gate), torch.empty_like(up)
    tensors = (grad_y.contiguous(), gate, up, *grads)
    _run(gated_silu_backward, gate.shape, tensors, stride=gate.shape[-1])
    return grads


@_gated_silu_grads.register_fake
def _(grad_y: Tensor, gate: Tensor, up: Tensor) -> tuple[Tensor, Tensor]:
    return torch.empty_like(gate), torch.empty_like(up)


_gated_silu.register_autograd(
    lambda ctx, grad_y: _gated_silu_grads(grad_y, *ctx.saved_tensors),
    setup_context=lambda ctx, inputs, output: ctx.save_for_backward(*inputs),
)


def gated_silu_packed(h: Tensor) -> Tensor:
    """The same where each row of h is one of gate and one of up: (…, 2 W) → (…, W)."""
    return _gated_silu_packed(h.contiguous())


@torch.library.custom_op(f"{NAMESPACE}::gated_silu_packed", mutates_args=())
def _gated_silu_packed(h: Tensor) -> Tensor:
    gate, up = h.chunk(2, dim=-1)
    y = h.new_empty(gate.shape)
    _run(gated_silu_forward, y.shape, (gate, up, y), stride=h.shape[-1])
    return y


@_gated_silu_packed.register_fake
def _(h: Tensor) -> Tensor:
    return h.new_empty(*h.shape[:-1], h.shape[-1] // 2)


@torch.library.custom_op(f"{NAMESPACE}::gated_silu_packed_backward", mutates_args=())
def _gated_silu_packed_grad(grad_y: Tensor, h: Tensor) -> Tensor:
    grad = torch.empty_like(h)
    tensors = (grad_y.contiguous(), *h.chunk(2, dim=-1), *grad.chunk(2, dim=-1))
    _run(gated_silu_backward, grad_y.shape, tensors, stride=h.shape[-1])
    return grad


@_gated_silu_packed_grad.register_fake
def _(grad_y: Tensor, h: Tensor) -> Tensor:
    return torch.empty_like(h)


_gated_silu_packed.register_autograd(
    lambda ctx, grad_y: _gated_silu_packed_grad(grad_y, *ctx.saved_tensors),
    setup_context=lambda ctx, inputs, output: ctx.save_for_backward(*inputs),
)


def _run(kernel: Any, shape: torch.Size, tensors: tuple[Tensor, ...], stride: int) -> None:
    """A program for each block of each row of a result of `shape`."""
    block, warps = TILES[shape[-1]]
    grid = (shape[:-1].numel(), pieces(shape[-1], block))
    sizes = {"STRIDE": stride, "WIDTH": shape[-1], "BLOCK": block}
    launch(kernel, grid, *tensors, **sizes, num_warps=warps)
