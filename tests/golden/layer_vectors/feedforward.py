# Built by archspec 0.1.0 from layer-vectors.yaml; edit the spec and build again.
"""The feed-forward of layer-vectors."""

from __future__ import annotations

from torch import Tensor, nn

from .activation import gelu_tanh_gate


class NearFeedForward(nn.Module):
    """GEGLU feed-forward: 128 → 256 → 128."""

    def __init__(self):
        super().__init__()
        self.gate_proj = nn.Linear(128, 256, bias=False)
        self.up_proj = nn.Linear(128, 256, bias=False)
        self.down_proj = nn.Linear(256, 128, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.down_proj(gelu_tanh_gate(self.gate_proj(x), self.up_proj(x)))


class NearReaderFeedForward(nn.Module):
    """GEGLU feed-forward: 128 → 512 → 128."""

    def __init__(self):
        super().__init__()
        self.gate_proj = nn.Linear(128, 512, bias=False)
        self.up_proj = nn.Linear(128, 512, bias=False)
        self.down_proj = nn.Linear(512, 128, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.down_proj(gelu_tanh_gate(self.gate_proj(x), self.up_proj(x)))
