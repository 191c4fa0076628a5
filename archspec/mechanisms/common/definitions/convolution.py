"""Short convolutions over time."""

from __future__ import annotations

import torch
from torch import Tensor


def convolution(weights: dict[str, Tensor], name: str, x: Tensor) -> Tensor:
    """y_t = Σ_j w_j · x_{t − width + 1 + j} + b for each channel of x (B, T, C) by itself.

    Before the text there are zeros; `weights` has w (C, 1, width) as `name.weight`.
    """
    weight = weights[f"{name}.weight"][:, 0]  # (C, width)
    width, tokens = weight.shape[1], x.shape[1]
    rows: list[Tensor] = []
    for t in range(tokens):
        row = x[:, t] * 0
        for j in range(width):
            at = t - width + 1 + j
            if at >= 0:
                row = row + weight[:, j] * x[:, at]
        rows.append(row)
    y = torch.stack(rows, dim=1)
    return y + weights[f"{name}.bias"] if f"{name}.bias" in weights else y


