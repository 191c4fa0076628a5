# Built by archspec 0.1.0 from layer-vectors.yaml; edit the spec and build again.
"""The feed-forward of layer-vectors."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from .kernels import use_kernels


class NearFeedForward(nn.Module):
    """GEGLU feed-forward: 128 → 256 → 128."""

    def __init__(self):
        super().__init__()
        self.gate_proj = nn.Linear(128, 256, bias=False)
        self.up_proj = nn.Linear(128, 256, bias=False)
        self.down_proj = nn.Linear(256, 128, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        gate, up = self.gate_proj(x), self.up_proj(x)  # (…, 256)
        if use_kernels(gate, up):
            from .kernels import gate as gate_kernels

            return self.down_proj(gate_kernels.gated_gelu_tanh(gate, up))
        return self.down_proj(F.gelu(gate, approximate="tanh") * up)


class NearReaderFeedForward(nn.Module):
    """GEGLU feed-forward: 128 → 512 → 128."""

    def __init__(self):
        super().__init__()
        self.gate_proj = nn.Linear(128, 512, bias=False)
        self.up_proj = nn.Linear(128, 512, bias=False)
        self.down_proj = nn.Linear(512, 128, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        gate, up = self.gate_proj(x), self.up_proj(x)  # (…, 512)
        if use_kernels(gate, up):
            from .kernels import gate as gate_kernels

            return self.down_proj(gate_kernels.gated_gelu_tanh(gate, up))
        return self.down_proj(F.gelu(gate, approximate="tanh") * up)
