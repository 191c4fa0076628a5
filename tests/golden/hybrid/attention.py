# Built by archspec 0.1.0 from hybrid.yaml; edit the spec and build again.
"""The attention of hybrid."""

from __future__ import annotations

from torch import Tensor, nn

from .attend import attend_causal_gated_heads
from .cache import KeyValueCache
from .norm import RMSNorm
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
        out = attend_causal_gated_heads(
            q, k, v, step, gate=self.gate_proj(x), scale=32**-0.5, activation="sigmoid"
        )  # (B, H, T, D)
        return self.o_proj(out.transpose(1, 2).flatten(2))

    @classmethod
    def new_cache(cls, batch_size: int, max_length: int, like: Tensor) -> KeyValueCache:
        room = (batch_size, 1, max_length)
        return KeyValueCache(like.new_zeros(*room, 32), like.new_zeros(*room, 32))
