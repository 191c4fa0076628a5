# Built by archspec 0.1.0 from encoder.yaml; edit the spec and build again.
"""The feed-forward of encoder."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class FeedForward(nn.Module):
    """Feed-forward with GELU: 96 → 384 → 96."""

    def __init__(self):
        super().__init__()
        self.up_proj = nn.Linear(96, 384, bias=True)
        self.down_proj = nn.Linear(384, 96, bias=True)

    def forward(self, x: Tensor) -> Tensor:
        h = self.up_proj(x)  # (…, 384)
        return self.down_proj(F.gelu(h))
