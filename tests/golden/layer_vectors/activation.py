# Built by archspec 0.1.0 from layer-vectors.yaml; edit the spec and build again.
"""Gated activations: what stands between the linear layers of layer-vectors's feed-forwards."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from .kernels import use_kernels


def gelu_tanh_gate(gate: Tensor, up: Tensor) -> Tensor:
    """gelu_tanh(gate) · up."""
    if use_kernels(gate, up):
        from .kernels import gate as kernels

        return kernels.gelu_tanh_gate(gate, up)
    return F.gelu(gate, approximate="tanh") * up
