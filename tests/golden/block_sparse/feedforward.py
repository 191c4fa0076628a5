# Built by archspec 0.1.0 from block-sparse.yaml; edit the spec and build again.
"""The feed-forward of block-sparse."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from .kernels import use_kernels


class FeedForward(nn.Module):
    """GEGLU feed-forward: 128 → 384 → 128."""

    def __init__(self):
        super().__init__()
        self.gate_proj = nn.Linear(128, 384, bias=True)
        self.up_proj = nn.Linear(128, 384, bias=True)
        self.down_proj = nn.Linear(384, 128, bias=True)

    def forward(self, x: Tensor) -> Tensor:
        gate, up = self.gate_proj(x), self.up_proj(x)  # (…, 384)
        if use_kernels(gate, up):
            from .kernels import gate as gate_kernels

            return self.down_proj(gate_kernels.gated_gelu(gate, up))
        return self.down_proj(F.gelu(gate) * up)
