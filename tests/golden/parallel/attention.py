# Built by archspec 0.1.0 from parallel.yaml; edit the spec and build again.
"""The attention of parallel."""

from __future__ import annotations

from torch import Tensor, nn

from .attend import attend_causal
from .cache import KeyValueCache
from .rotary import rotate_pairs
from .step import Step


class Attention(nn.Module):
    """Attends to all earlier tokens: 4 heads of width 32 share 2 key-value heads."""

    def __init__(self):
        super().__init__()
        self.q_proj = nn.Linear(128, 4 * 32, bias=False)
        self.k_proj = nn.Linear(128, 2 * 32, bias=False)
        self.v_proj = nn.Linear(128, 2 * 32, bias=False)
        self.o_proj = nn.Linear(4 * 32, 128, bias=False)

    def forward(self, x: Tensor, step: Step, cache: KeyValueCache | None) -> Tensor:
        batch, tokens, _ = x.shape
        q = self.q_proj(x).view(batch, tokens, -1, 32).transpose(1, 2)  # (B, H, T, D)
        k = self.k_proj(x).view(batch, tokens, -1, 32).transpose(1, 2)  # (B, K, T, D)
        v = self.v_proj(x).view(batch, tokens, -1, 32).transpose(1, 2)  # (B, K, T, D)
        q, k = rotate_pairs(q, step.rotary), rotate_pairs(k, step.rotary)
        if cache is not None:
            k, v = cache.append(k, v, step)
        out = attend_causal(q, k, v, step, scale=32**-0.5)  # (B, H, T, D)
        return self.o_proj(out.transpose(1, 2).flatten(2))

    @classmethod
    def new_cache(cls, batch_size: int, max_length: int, like: Tensor) -> KeyValueCache:
        room = (batch_size, 2, max_length)
        return KeyValueCache(like.new_zeros(*room, 32), like.new_zeros(*room, 32))
