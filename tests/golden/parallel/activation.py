# Built by archspec 0.1.0 from parallel.yaml; edit the spec and build again.
"""Gated activations: what stands between the linear layers of parallel's feed-forwards."""

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
