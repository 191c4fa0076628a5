# Built by archspec 0.1.0 from chunked.yaml; edit the spec and build again.
"""Gated activations: what stands between the linear layers of chunked's feed-forwards."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from .kernels import use_kernels


def silu_gate(gate: Tensor, up: Tensor) -> Tensor:
    """silu(gate) · up."""
    if use_kernels(gate, up):
        from .kernels import gate as kernels

        return kernels.silu_gate(gate, up)
    return F.silu(gate) * up


def silu_gate_packed(h: Tensor) -> Tensor:
    """silu(gate) · up; gate and up are halves of each row, (…, 2 W) → (…, W)."""
    if use_kernels(h):
        from .kernels import gate as kernels

        return kernels.silu_gate_packed(h)
    gate, up = h.chunk(2, dim=-1)
    return silu_gate(gate, up)
