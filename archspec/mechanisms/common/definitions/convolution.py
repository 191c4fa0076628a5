"""Short convolutions over time."""

from __future__ import annotations

from typing import Any

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
