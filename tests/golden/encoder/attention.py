# Built by archspec 0.1.0 from encoder.yaml; edit the spec and build again.
"""The attention of encoder."""

from __future__ import annotations

from torch import Tensor, nn

from .attend import attend_bidirectional
from .step import Step


class Attention(nn.Module):
    """Attends to the whole text: 6 heads of width 16."""

    def __init__(self):
        super().__init__()
        self.q_proj = nn.Linear(96, 6 * 16, bias=True)
        self.k_proj = nn.Linear(96, 6 * 16, bias=True)
        self.v_proj = nn.Linear(96, 6 * 16, bias=True)
        self.o_proj = nn.Linear(6 * 16, 96, bias=True)

    def forward(self, x: Tensor, step: Step) -> Tensor:
        batch, tokens, _ = x.shape
        q = self.q_proj(x).view(batch, tokens, -1, 16).transpose(1, 2)  # (B, H, T, D)
        k = self.k_proj(x).view(batch, tokens, -1, 16).transpose(1, 2)  # (B, K, T, D)
        v = self.v_proj(x).view(batch, tokens, -1, 16).transpose(1, 2)  # (B, K, T, D)
        out = attend_bidirectional(q, k, v, step, scale=16**-0.5)  # (B, H, T, D)
        return self.o_proj(out.transpose(1, 2).flatten(2))
