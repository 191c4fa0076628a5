# Built by archspec 0.1.0 from hybrid.yaml; edit the spec and build again.
"""The experts of hybrid: N tokens, C the width of the model."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .activation import silu_gate, silu_gate_packed
from .grouped import combine, sort_pairs, to_pairs, to_rows
from .routing import route


class MixtureOfExperts(nn.Module):
    """2 of 8 experts for each token, each 128 → 96 → 128.

    A gated shared expert for every token, 128 → 96 → 128.
    """

    def __init__(self):
        super().__init__()
        self.router = nn.Linear(128, 8, bias=False)
        self.experts = Experts(self.router.out_features)
        self.shared = SharedExpert()
        self.shared_gate = nn.Linear(128, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        tokens = x.flatten(0, 1)  # (N, C)
        weights, chosen = self.route(tokens)
        routed = self.experts(tokens, weights, chosen)
        shared = self.shared(tokens) * self.shared_gate(tokens).sigmoid()
        return (routed + shared).view_as(x)

    def route(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """The weights and the numbers of each token's experts: (N, C) → twice (N, 2)."""
        logits = self.router(tokens)  # (N, 8)
        weights, chosen = route(logits, top_k=2)
        return weights.to(tokens.dtype), chosen


class Experts(nn.Module):
    """Feed-forwards, their weights stacked: 128 → 96 → 128."""

    def __init__(self, experts: int):
        super().__init__()
        self.gate_up_proj = nn.Parameter(torch.empty(experts, 2 * 96, 128))
        self.down_proj = nn.Parameter(torch.empty(experts, 128, 96))

    def forward(self, x: Tensor, weights: Tensor, chosen: Tensor) -> Tensor:
        """Tokens (N, C), the weights and numbers of their experts (N, 2) → (N, C)."""
        pairs = sort_pairs(chosen, self.down_proj.shape[0])
        h = to_rows(x, self.gate_up_proj, pairs)  # (2·N, 2 * 96)
        h = silu_gate_packed(h)  # (2·N, 96)
        out = to_pairs(h, self.down_proj, pairs)  # (2·N, C)
        return combine(out, weights)  # (N, C)


class SharedExpert(nn.Module):
    """SwiGLU feed-forward: 128 → 96 → 128."""

    def __init__(self):
        super().__init__()
        self.gate_proj = nn.Linear(128, 96, bias=False)
        self.up_proj = nn.Linear(128, 96, bias=False)
        self.down_proj = nn.Linear(96, 128, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.down_proj(silu_gate(self.gate_proj(x), self.up_proj(x)))
