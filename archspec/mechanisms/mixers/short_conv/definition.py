"""The gated short convolution written out: arXiv 2511.23404."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from archspec.mechanisms.common.definitions.beside import Beside
from archspec.mechanisms.common.definitions.convolution import convolution
from archspec.mechanisms.common.definitions.linear import linear


def definition(fields: Any, weights: dict[str, Tensor], x: Tensor, beside: Beside) -> Tensor:
    """(B, T, C) → (B, T, C): y = W_out (c · conv(b · u))."""
    b, c, u = torch.split(linear(weights, "in_proj", x), fields.channels, dim=-1)
    return linear(weights, "out_proj", c * convolution(weights, "conv", b * u))
