# Built by archspec 0.1.0 from hybrid.yaml; edit the spec and build again.
"""What this package computes, written out in float64 from the equations: slow, and obvious.

`python -m hybrid.selftest` holds the functions of the package to these.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def delta_rule(
    q: Tensor, k: Tensor, v: Tensor, log_decay: Tensor | None, beta: Tensor, state: Tensor | None
) -> tuple[Tensor, Tensor]:
    """S ← e^g S, S ← S + k β (v − kᵀ S), y = qᵀ S, token by token (arXiv 2406.06484, 2412.06464).

    q and k (B, T, H, K), v (B, T, H, V), g (B, T, H, 1) or, with a decay for each channel of the
    key, (B, T, H, K), β (B, T, H, 1). Returns y (B, T, H, V) and the last S (B, H, K, V).
    """
    batch, tokens, count, width = k.shape
    if state is None:
        state = v.new_zeros(batch, count, width, v.shape[3])
    rows: list[Tensor] = []
    for t in range(tokens):
        if log_decay is not None:
            state = torch.exp(log_decay[:, t])[..., None] * state
        held = torch.einsum("bhk,bhkv->bhv", k[:, t], state)
        wrong = beta[:, t] * (v[:, t] - held)
        state = state + torch.einsum("bhk,bhv->bhkv", k[:, t], wrong)
        rows.append(torch.einsum("bhk,bhkv->bhv", q[:, t], state))
    return torch.stack(rows, dim=1), state


def short_convolution(module: Any, x: Tensor, step: Any, tail: Tensor | None) -> Tensor:
    """The same with the tensors of a module; in front of x stands `tail` (B, width − 1, C)."""
    weight = module.weight[:, 0].to(x.dtype)  # (C, width)
    width, tokens = weight.shape[1], x.shape[1]
    before = x.new_zeros(x.shape[0], width - 1, x.shape[2]) if tail is None else tail
    padded = torch.cat((before, x), dim=1)
    y = x * 0
    for j in range(width):
        y = y + weight[:, j] * padded[:, j : j + tokens]
    return y if module.bias is None else y + module.bias.to(x.dtype)


def grouped_linear(x: Tensor, weight: Tensor, ends: Tensor) -> Tensor:
    """One linear map for each group of rows: x[row] times weight[g]ᵀ, (N, in) → (N, out).

    Group g has the rows up to ends[g] that none before it has; weight is (G, out, in).
    """
    rows: list[Tensor] = []
    first = 0
    for group, end in enumerate(ends):
        last = int(end)
        if last > first:
            rows.append(x[first:last] @ weight[group].to(x.dtype).T)
        first = last
    return torch.cat(rows)
