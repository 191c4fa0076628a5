# Built by archspec 0.1.0 from layer-vectors.yaml; edit the spec and build again.
"""The token's own vector for each layer of layer-vectors."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from .norm import RMSNorm


class PerLayerEmbedding(nn.Module):
    """The token's own vector for this layer, gated: 128 → 16 → 128."""

    def __init__(self):
        super().__init__()
        self.gate_proj = nn.Linear(128, 16, bias=False)
        self.up_proj = nn.Linear(16, 128, bias=False)
        self.norm = RMSNorm(128, eps=1e-06)

    def forward(self, x: Tensor, vector: Tensor) -> Tensor:
        gate = self.gate_proj(x)  # (B, T, 16), as vector
        out = self.up_proj(F.gelu(gate, approximate="tanh") * vector)
        return self.norm(out)
