# Built by archspec 0.1.0 from layer-vectors.yaml; edit the spec and build again.
"""The attention of layer-vectors."""

from __future__ import annotations

from torch import Tensor, nn

from .attend import attend_causal, attend_sliding
from .cache import KeyValueCache, RollingCache
from .norm import RMSNorm
from .rotary import norm_rotate
from .step import Step


class NearAttention(nn.Module):
    """Attends to the last 32 tokens: 4 heads of width 32 share 2 key-value heads."""

    window = 32

    def __init__(self):
        super().__init__()
        self.q_proj = nn.Linear(128, 4 * 32, bias=False)
        self.k_proj = nn.Linear(128, 2 * 32, bias=False)
        self.v_proj = nn.Linear(128, 2 * 32, bias=False)
        self.o_proj = nn.Linear(4 * 32, 128, bias=False)
        self.q_norm = RMSNorm(32, eps=1e-06)
        self.k_norm = RMSNorm(32, eps=1e-06)
        self.v_norm = nn.RMSNorm(32, eps=1e-06, elementwise_affine=False)

    def forward(self, x: Tensor, step: Step, cache: RollingCache | None) -> Tensor:
        batch, tokens, _ = x.shape
        q = self.q_proj(x).view(batch, tokens, -1, 32).transpose(1, 2)  # (B, H, T, D)
        k = self.k_proj(x).view(batch, tokens, -1, 32).transpose(1, 2)  # (B, K, T, D)
        v = self.v_proj(x).view(batch, tokens, -1, 32).transpose(1, 2)  # (B, K, T, D)
        v = self.v_norm(v)
        q = norm_rotate(q, self.q_norm, step.near_rotary)
        k = norm_rotate(k, self.k_norm, step.near_rotary)
        if cache is not None:
            k, v = cache.append(k, v, step)
        step.shared["sliding_32_2x32"] = k, v  # for later layers
        out = attend_sliding(q, k, v, step, window=self.window, scale=32**-0.5)  # (B, H, T, D)
        return self.o_proj(out.transpose(1, 2).flatten(2))

    @classmethod
    def new_cache(cls, batch_size: int, max_length: int, like: Tensor) -> RollingCache:
        room = (batch_size, 2, min(cls.window, max_length))
        return RollingCache(like.new_zeros(*room, 32), like.new_zeros(*room, 32))


class WholeAttention(nn.Module):
    """Attends to all earlier tokens: 4 heads of width 64 share 1 key-value head."""

    def __init__(self):
        super().__init__()
        self.q_proj = nn.Linear(128, 4 * 64, bias=False)
        self.k_proj = nn.Linear(128, 64, bias=False)
        self.v_proj = nn.Linear(128, 64, bias=False)
        self.o_proj = nn.Linear(4 * 64, 128, bias=False)
        self.q_norm = RMSNorm(64, eps=1e-06)
        self.k_norm = RMSNorm(64, eps=1e-06)
        self.v_norm = nn.RMSNorm(64, eps=1e-06, elementwise_affine=False)

    def forward(self, x: Tensor, step: Step, cache: KeyValueCache | None) -> Tensor:
        batch, tokens, _ = x.shape
        q = self.q_proj(x).view(batch, tokens, -1, 64).transpose(1, 2)  # (B, H, T, D)
        k = self.k_proj(x)[:, None]  # (B, K, T, D)
        v = self.v_proj(x)[:, None]  # (B, K, T, D)
        v = self.v_norm(v)
        q = norm_rotate(q, self.q_norm, step.whole_rotary)
        k = norm_rotate(k, self.k_norm, step.whole_rotary)
        if cache is not None:
            k, v = cache.append(k, v, step)
        step.shared["global_all_1x64"] = k, v  # for later layers
        out = attend_causal(q, k, v, step, scale=64**-0.5)  # (B, H, T, D)
        return self.o_proj(out.transpose(1, 2).flatten(2))

    @classmethod
    def new_cache(cls, batch_size: int, max_length: int, like: Tensor) -> KeyValueCache:
        room = (batch_size, 1, max_length)
        return KeyValueCache(like.new_zeros(*room, 64), like.new_zeros(*room, 64))


class NearReaderAttention(nn.Module):
    """Attends to the last 32 tokens: 4 heads of width 32 share 2 borrowed key-value heads."""

    def __init__(self):
        super().__init__()
        self.q_proj = nn.Linear(128, 4 * 32, bias=False)
        self.o_proj = nn.Linear(4 * 32, 128, bias=False)
        self.q_norm = RMSNorm(32, eps=1e-06)

    def forward(self, x: Tensor, step: Step) -> Tensor:
        batch, tokens, _ = x.shape
        q = self.q_proj(x).view(batch, tokens, -1, 32).transpose(1, 2)  # (B, H, T, D)
        q = norm_rotate(q, self.q_norm, step.near_rotary)
        k, v = step.shared["sliding_32_2x32"]  # of an earlier layer
        out = attend_sliding(q, k, v, step, window=32, scale=32**-0.5)  # (B, H, T, D)
        return self.o_proj(out.transpose(1, 2).flatten(2))


class WholeReaderAttention(nn.Module):
    """Attends to all earlier tokens: 4 heads of width 64 share 1 borrowed key-value head."""

    def __init__(self):
        super().__init__()
        self.q_proj = nn.Linear(128, 4 * 64, bias=False)
        self.o_proj = nn.Linear(4 * 64, 128, bias=False)
        self.q_norm = RMSNorm(64, eps=1e-06)

    def forward(self, x: Tensor, step: Step) -> Tensor:
        batch, tokens, _ = x.shape
        q = self.q_proj(x).view(batch, tokens, -1, 64).transpose(1, 2)  # (B, H, T, D)
        q = norm_rotate(q, self.q_norm, step.whole_rotary)
        k, v = step.shared["global_all_1x64"]  # of an earlier layer
        out = attend_causal(q, k, v, step, scale=64**-0.5)  # (B, H, T, D)
        return self.o_proj(out.transpose(1, 2).flatten(2))
