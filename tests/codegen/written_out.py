"""Attention over one text as its equations, token by token, in float64: no mask tensor, no cache.

For specs of attention alone, without norms that are learned or positions that are rotated.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

Bias = Callable[[nn.Module, int], Tensor]
"""From a layer's attention and how far back a key is (below 0 for ahead) to a bias per head."""


@dataclass(frozen=True)
class View:
    """What a query of one layer sees and what becomes of its scores."""

    window: int | None = None
    chunk: int | None = None
    softcap: float | None = None
    causal: bool = True
    bias: Bias | None = None

    def sees(self, query: int, key: int, prefix: int) -> bool:
        if (query < prefix and key < prefix) or not self.causal:
            return True
        near = self.window is None or query - key < self.window
        together = self.chunk is None or query // self.chunk == key // self.chunk
        return key <= query and near and together


def written_out(model: Any, ids: Tensor, view: View, prefix: int = 0) -> Tensor:
    """Hidden states (T, C) of one text (T,); a layer without keys reads those of the one before."""
    x = model.embed_tokens.weight[ids]
    k = v = None
    for layer in model.layers:
        own = layer.self_attn
        normed = layer.input_layernorm(x)
        heads = own.o_proj.in_features // 4
        q = own.q_proj(normed).view(-1, heads, 4)
        if hasattr(own, "k_proj"):
            k = own.k_proj(normed).view(len(ids), -1, 4)
            v = own.v_proj(normed).view(len(ids), -1, 4)
        assert k is not None and v is not None
        out = torch.zeros_like(q)
        for token in range(len(ids)):
            for head in range(heads):
                shared = head * k.shape[1] // heads
                seen = [key for key in range(len(ids)) if view.sees(token, key, prefix)]
                scores = k[seen, shared] @ q[token, head] * 0.5
                if view.softcap:
                    scores = view.softcap * torch.tanh(scores / view.softcap)
                if view.bias:
                    scores = scores + torch.stack(
                        [view.bias(own, token - key)[head] for key in seen]
                    )
                weights = torch.exp(scores)
                rest = math.exp(own.sinks[head]) if hasattr(own, "sinks") else 0.0
                out[token, head] = weights @ v[seen, shared] / (weights.sum() + rest)
        x = x + own.o_proj(out.flatten(1))
    return model.norm(x)
