# Built by archspec 0.1.0 from sparse.yaml; edit the spec and build again.
"""The experts of sparse: N tokens, C the width of the model."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .grouped import grouped_linear
from .kernels import use_kernels


class MixtureOfExperts(nn.Module):
    """2 of 8 experts for each token, each 128 → 128 → 128."""

    def __init__(self):
        super().__init__()
        self.router = nn.Linear(128, 8, bias=False)
        self.experts = Experts()

    def forward(self, x: Tensor) -> Tensor:
        tokens = x.flatten(0, 1)  # (N, C)
        weights, chosen = self.route(tokens)
        return self.experts(tokens, weights, chosen).view_as(x)

    def route(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """The weights and the numbers of each token's experts: (N, C) → twice (N, 2)."""
        logits = self.router(tokens)  # (N, 8)
        if use_kernels(logits):
            from .kernels import router as router_kernels

            return router_kernels.route(logits)
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
        top, chosen = logits.topk(2, dim=-1)  # (N, 2)
        weights = top.softmax(dim=-1)
        return weights.to(tokens.dtype), chosen


class Experts(nn.Module):
    """8 feed-forwards, their weights stacked: 128 → 128 → 128."""

    def __init__(self):
        super().__init__()
        self.gate_up_proj = nn.Parameter(torch.empty(8, 2 * 128, 128))
        self.down_proj = nn.Parameter(torch.empty(8, 128, 128))

    def forward(self, x: Tensor, weights: Tensor, chosen: Tensor) -> Tensor:
        """Tokens (N, C), the weights and numbers of their experts (N, 2) → (N, C)."""
        # Pairs of token and expert, sorted by expert, so that each expert meets its tokens at once.
        expert, order = chosen.flatten().sort(stable=True)  # (2·N,)
        ends = torch.searchsorted(expert, torch.arange(8, device=x.device), right=True)
        if use_kernels(x, self.gate_up_proj):
            return self.in_kernels(x, weights, order, ends)
        rows = x[order // 2]  # (2·N, C)
        h = grouped_linear(rows, self.gate_up_proj, ends)
        out = grouped_linear(self.gated(h), self.down_proj, ends)
        out = out * weights.flatten()[order, None]
        unsorted = torch.empty_like(out).index_copy(0, order, out)
        return unsorted.view(x.shape[0], 2, -1).sum(dim=1)  # (N, C)

    def in_kernels(self, x: Tensor, weights: Tensor, order: Tensor, ends: Tensor) -> Tensor:
        """The same where a kernel takes tokens to the rows of their experts, and one back."""
        from .kernels import combine as combine_kernels
        from .kernels import experts as expert_kernels

        h = expert_kernels.to_rows(x, self.gate_up_proj, order, ends, 2)
        out = expert_kernels.to_pairs(self.gated(h), self.down_proj, order, ends)
        return combine_kernels.combine(out, weights)

    def gated(self, h: Tensor) -> Tensor:
        """The activation of the first half of each row, times the other: (…, 2 * 128) → (…, 128)."""
        if use_kernels(h):
            from .kernels import gate as gate_kernels

            return gate_kernels.gated_silu_packed(h)
        gate, up = h.chunk(2, dim=-1)
        return F.silu(gate) * up
