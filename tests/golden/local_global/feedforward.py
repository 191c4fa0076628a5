# Built by archspec 0.1.0 from local-global.yaml; edit the spec and build again.
"""The feed-forward of local-global."""

from __future__ import annotations

from torch import Tensor, nn

from .activation import gelu_tanh_gate


class FeedForward(nn.Module):
    """GEGLU feed-forward: 192 → 512 → 192."""

    def __init__(self):
        super().__init__()
        self.gate_proj = nn.Linear(192, 512, bias=False)
        self.up_proj = nn.Linear(192, 512, bias=False)
        self.down_proj = nn.Linear(512, 192, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.down_proj(gelu_tanh_gate(self.gate_proj(x), self.up_proj(x)))
