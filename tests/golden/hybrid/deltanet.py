# Built by archspec 0.1.0 from hybrid.yaml; edit the spec and build again.
"""The delta rule of hybrid."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .cache import ConvDeltaCache
from .conv import ShortConv
from .delta_rule import gated_delta_rule, unit, widened
from .norm import RMSNorm
from .start import write
from .step import Step


class GatedDeltaNet(nn.Module):
    """Delta rule with a decay per head: 4 matrices 32 × 32, 2 key heads, conv over 4 tokens."""

    def __init__(self):
        super().__init__()
        self.q_proj = nn.Linear(128, 2 * 32, bias=False)
        self.k_proj = nn.Linear(128, 2 * 32, bias=False)
        self.v_proj = nn.Linear(128, 4 * 32, bias=False)
        self.q_conv1d = ShortConv(2 * 32, 4, bias=False)
        self.k_conv1d = ShortConv(2 * 32, 4, bias=False)
        self.v_conv1d = ShortConv(4 * 32, 4, bias=False)
        self.b_proj = nn.Linear(128, 4, bias=False)
        self.a_proj = nn.Linear(128, 4, bias=False)
        self.A_log = nn.Parameter(torch.empty(4))
        self.dt_bias = nn.Parameter(torch.empty(4))
        self.g_proj = nn.Linear(128, 4 * 32, bias=False)
        self.o_norm = RMSNorm(32, eps=1e-06)
        self.o_proj = nn.Linear(4 * 32, 128, bias=False)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        # Over the range that the papers draw e^A · softplus(dt) from: 0.001 to 1.6.
        write(self.A_log, torch.linspace(1.5e-3, 2.3, 4, dtype=torch.float32).log())
        nn.init.zeros_(self.dt_bias)

    def forward(self, x: Tensor, step: Step, cache: ConvDeltaCache | None) -> Tensor:
        q_tail, k_tail, v_tail, state = (None,) * 4 if cache is None else cache.parts()
        q = self.q_conv1d(self.q_proj(x), step, q_tail).unflatten(-1, (-1, 32))  # (B, T, 2, K)
        k = self.k_conv1d(self.k_proj(x), step, k_tail).unflatten(-1, (-1, 32))  # (B, T, 2, K)
        v = self.v_conv1d(self.v_proj(x), step, v_tail).unflatten(-1, (-1, 32))  # (B, T, H, V)
        q, k, v = 0.1767766952966369 * unit(F.silu(q)), unit(F.silu(k)), F.silu(v)
        # each query and key head serves 2 value heads
        q, k = q.repeat_interleave(2, dim=2), k.repeat_interleave(2, dim=2)
        rate = widened(self.A_log).exp()[:, None]  # (H, 1)
        dt = widened(self.a_proj(x)) + self.dt_bias
        log_decay = rate * F.logsigmoid(-dt)[..., None]  # −e^A softplus(dt), (B, T, H, 1)
        beta = self.b_proj(x).sigmoid()[..., None]  # (B, T, H, 1)
        if step.real is not None:  # padding neither decays nor writes
            real = step.real[:, :, None, None]
            log_decay = log_decay * real
            beta = beta * real
        out, state = gated_delta_rule(q, k, v, log_decay, beta, state)
        if cache is not None:
            step.keep(cache.state, state, x.shape[1])
        out = self.o_norm(out.to(x.dtype)).flatten(2)  # (B, T, H · V)
        return self.o_proj(out * F.silu(self.g_proj(x)))

    @staticmethod
    def new_cache(batch_size: int, max_length: int, like: Tensor) -> ConvDeltaCache:
        wide = torch.promote_types(like.dtype, torch.float32)
        state = like.new_zeros(batch_size, 4, 32, 32, dtype=wide)
        tail = (batch_size, 3)
        return ConvDeltaCache(
            like.new_zeros(*tail, 64), like.new_zeros(*tail, 64), like.new_zeros(*tail, 128), state
        )
