# Built by archspec 0.1.0 from hybrid.yaml; edit the spec and build again.
"""The attention of hybrid."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .attend import attend_causal
from .cache import KeyValueCache
from .kernels import use_kernels
from .norm import (
    RMSNorm,
)
from .step import Step


class Attention(nn.Module):
    """Attends to all earlier tokens: 4 heads of width 32 share 1 key-value head."""

    def __init__(self):
        super().__init__()
        self.q_proj = nn.Linear(128, 4 * 32, bias=False)
        self.k_proj = nn.Linear(128, 32, bias=False)
        self.v_proj = nn.Linear(128, 32, bias=False)
        self.o_proj = nn.Linear(4 * 32, 128, bias=False)
        self.q_norm = RMSNorm(32, eps=1e-06)
        self.k_norm = RMSNorm(32, eps=1e-06)
        self.gate_proj = nn.Linear(128, 4, bias=False)

    def forward(self, x: Tensor, step: Step, cache: KeyValueCache | None) -> Tensor:
        batch, tokens, _ = x.shape
        q = self.q_proj(x).view(batch, tokens, -1, 32).transpose(1, 2)  # (B, H, T, D)
        k = self.k_proj(x)[:, None]  # (B, K, T, D)
        v = self.v_proj(x)[:, None]  # (B, K, T, D)
        q, k = self.q_norm(q), self.k_norm(k)
        if cache is not None:
            k, v = cache.append(k, v, step)
        gate = self.gate_proj(x)  # (B, T, H)
        if (step.starts is None or tokens == 1) and use_kernels(q, k, v):
            from .kernels import attention_operators as kernels

            out = kernels.causal(q, k, v, gate, None, step.starts)
            out = out.transpose(1, 2).flatten(2)
        else:
            out = attend_causal(q, k, v, step.start, step.starts, scale=0.1767766952966369)
            out = (out.transpose(1, 2) * torch.sigmoid(gate)[..., None]).flatten(2)
        return self.o_proj(out)

    @staticmethod
    def new_cache(batch_size: int, max_length: int, like: Tensor) -> KeyValueCache:
        room = (batch_size, 1, max_length)
        return KeyValueCache(like.new_zeros(*room, 32), like.new_zeros(*room, 32))
