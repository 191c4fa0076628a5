# Built by archspec 0.1.0 from local-global.yaml; edit the spec and build again.
"""The attention of local-global."""

from __future__ import annotations

from torch import Tensor, nn

from .attend import attend_causal, attend_sliding
from .cache import KeyValueCache, RollingCache
from .rotary import rotate
from .step import Step


class SlidingAttention(nn.Module):
    """Attends to the last 64 tokens: 6 heads of width 32 share 2 key-value heads."""

    window = 64

    def __init__(self):
        super().__init__()
        self.q_proj = nn.Linear(192, 6 * 32, bias=False)
        self.k_proj = nn.Linear(192, 2 * 32, bias=False)
        self.v_proj = nn.Linear(192, 2 * 32, bias=False)
        self.o_proj = nn.Linear(6 * 32, 192, bias=False)

    def forward(self, x: Tensor, step: Step, cache: RollingCache | None) -> Tensor:
        batch, tokens, _ = x.shape
        q = self.q_proj(x).view(batch, tokens, -1, 32).transpose(1, 2)  # (B, H, T, D)
        k = self.k_proj(x).view(batch, tokens, -1, 32).transpose(1, 2)  # (B, K, T, D)
        v = self.v_proj(x).view(batch, tokens, -1, 32).transpose(1, 2)  # (B, K, T, D)
        q, k = rotate(q, step.local_rotary), rotate(k, step.local_rotary)
        if cache is not None:
            k, v = cache.append(k, v, step)
        out = attend_sliding(q, k, v, step, window=self.window, scale=32**-0.5)  # (B, H, T, D)
        return self.o_proj(out.transpose(1, 2).flatten(2))

    @classmethod
    def new_cache(cls, batch_size: int, max_length: int, like: Tensor) -> RollingCache:
        room = (batch_size, 2, min(cls.window, max_length))
        return RollingCache(like.new_zeros(*room, 32), like.new_zeros(*room, 32))


class GlobalAttention(nn.Module):
    """Attends to all earlier tokens: 6 heads of width 32 share 2 key-value heads."""

    def __init__(self):
        super().__init__()
        self.q_proj = nn.Linear(192, 6 * 32, bias=False)
        self.k_proj = nn.Linear(192, 2 * 32, bias=False)
        self.v_proj = nn.Linear(192, 2 * 32, bias=False)
        self.o_proj = nn.Linear(6 * 32, 192, bias=False)

    def forward(self, x: Tensor, step: Step, cache: KeyValueCache | None) -> Tensor:
        batch, tokens, _ = x.shape
        q = self.q_proj(x).view(batch, tokens, -1, 32).transpose(1, 2)  # (B, H, T, D)
        k = self.k_proj(x).view(batch, tokens, -1, 32).transpose(1, 2)  # (B, K, T, D)
        v = self.v_proj(x).view(batch, tokens, -1, 32).transpose(1, 2)  # (B, K, T, D)
        q, k = rotate(q, step.global_rotary), rotate(k, step.global_rotary)
        if cache is not None:
            k, v = cache.append(k, v, step)
        out = attend_causal(q, k, v, step, scale=32**-0.5)  # (B, H, T, D)
        return self.o_proj(out.transpose(1, 2).flatten(2))

    @classmethod
    def new_cache(cls, batch_size: int, max_length: int, like: Tensor) -> KeyValueCache:
        room = (batch_size, 2, max_length)
        return KeyValueCache(like.new_zeros(*room, 32), like.new_zeros(*room, 32))
