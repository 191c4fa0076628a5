# Built by archspec 0.1.0 from block-sparse.yaml; edit the spec and build again.
"""The feed-forward of block-sparse."""

from __future__ import annotations

from torch import Tensor, nn

from .activation import gelu_gate


class FeedForward(nn.Module):
    """GEGLU feed-forward: 128 → 384 → 128."""

    def __init__(self):
        super().__init__()
        self.gate_proj = nn.Linear(128, 384, bias=True)
        self.up_proj = nn.Linear(128, 384, bias=True)
        self.down_proj = nn.Linear(384, 128, bias=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.down_proj(gelu_gate(self.gate_proj(x), self.up_proj(x)))
