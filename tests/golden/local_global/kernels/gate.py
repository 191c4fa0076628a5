# Built by archspec 0.1.0 from local-global.yaml; edit the spec and build again.
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

# gelu_tanh(gate) · up


@triton.jit
def gelu_tanh_gate_forward(
    gate, up, y, STRIDE: tl.constexpr, WIDTH: tl.constexpr, BLOCK: tl.constexpr
):
    """y = gelu_tanh(gate) · up, a block of one row."""
    row, column = tl.program_id(0).to(tl.int64), tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside, at = column < WIDTH, row * STRIDE + column
    g = tl.load(gate + at, mask=inside, other=0.0).to(tl.float32)
    u = tl.load(up + at, mask=inside, other=0.0).to(tl.float32)
    s = tl.sigmoid(1.5957691216057308 * (g + 0.044715 * g * g * g))  # (1 + tanh) / 2
    a = g * s
    tl.store(y + row * WIDTH + column, a * u, mask=inside)


@triton.jit
def gelu_tanh_gate_backward(
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
    s = tl.sigmoid(1.5957691216057308 * (g + 0.044715 * g * g * g))  # (1 + tanh) / 2
    a = g * s
    tl.store(
        grad_gate + at,
        d * u * (s + g * s * (1.0 - s) * 1.5957691216057308 * (1.0 + 0.134145 * g * g)),
        mask=inside,
    )
    tl.store(grad_up + at, d * a, mask=inside)


def gelu_tanh_gate(gate: Tensor, up: Tensor) -> Tensor:
    """gelu_tanh(gate) · up: (…, W) twice → (…, W)."""
    return _gelu_tanh_gate(gate.contiguous(), up.contiguous())


@torch.library.custom_op(f"{NAMESPACE}::gelu_tanh_gate", mutates_args=())
def _gelu_tanh_gate(gate: Tensor, up: Tensor) -> Tensor:
    y = torch.empty_like(gate)
    _run(gelu_tanh_gate_forward, y.shape, (gate, up, y), stride=y.shape[-1])
    return y


@_gelu_tanh_gate.register_fake
def _(gate: Tensor, up: Tensor) -> Tensor:
    return torch.empty_like(gate)


@torch.library.custom_op(f"{NAMESPACE}::gelu_tanh_gate_backward", mutates_args=())
def _gelu_tanh_gate_grads(grad_y: Tensor, gate: Tensor, up: Tensor) -> tuple[Tensor, Tensor]:
    grads = torch.empty_like(gate), torch.empty_like(up)
    tensors = (grad_y.contiguous(), gate, up, *grads)
    _run(gelu_tanh_gate_backward, gate.shape, tensors, stride=gate.shape[-1])
    return grads


@_gelu_tanh_gate_grads.register_fake
def _(grad_y: Tensor, gate: Tensor, up: Tensor) -> tuple[Tensor, Tensor]:
    return torch.empty_like(gate), torch.empty_like(up)


_gelu_tanh_gate.register_autograd(
    lambda ctx, grad_y: _gelu_tanh_gate_grads(grad_y, *ctx.saved_tensors),
    setup_context=lambda ctx, inputs, output: ctx.save_for_backward(*inputs),
)


def _run(kernel: Any, shape: torch.Size, tensors: tuple[Tensor, ...], stride: int) -> None:
    """A program for each block of each row of a result of `shape`."""
    sizes = sizes_of(shape[-1], stride)
    grid = (shape[:-1].numel(), pieces(shape[-1], sizes["BLOCK"]))
    launch(kernel, grid, *tensors, **sizes)


def sizes_of(width: int, stride: int) -> dict[str, int]:
    """Blocks of at most 1,024 numbers, 8 for each thread: one load of 16 bytes in bfloat16."""
    block = min(1024, max(32, 1 << (width - 1).bit_length()))
    warps = max(1, block // 256)
    return {"STRIDE": stride, "WIDTH": width, "BLOCK": block, "num_warps": warps}
