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
    before = x.new_zeros(x.shape[0], width - 1, x.shape[2])
    padded = torch.cat((before, x), dim=1)
    y = x * 0
    for j in range(width):
        y = y + weight[:, j] * padded[:, j : j + tokens]
    return y + weights[f"{name}.bias"] if f"{name}.bias" in weights else y
