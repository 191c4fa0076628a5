# Built by archspec 0.1.0 from chunked.yaml; edit the spec and build again.
"""The feed-forward of chunked."""

from __future__ import annotations

from torch import Tensor, nn

from .activation import silu_gate


class FeedForward(nn.Module):
    """SwiGLU feed-forward: 128 → 512 → 128."""

    def __init__(self):
        super().__init__()
        self.gate_proj = nn.Linear(128, 512, bias=False)
        self.up_proj = nn.Linear(128, 512, bias=False)
        self.down_proj = nn.Linear(512, 128, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.down_proj(silu_gate(self.gate_proj(x), self.up_proj(x)))
