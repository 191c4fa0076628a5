"""Functions of a number, as the table of the dense feed-forward's README has them."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def activation(kind: str, x: Tensor, learned: dict[str, Tensor] | None = None) -> Tensor:
    """f(x) of the activation `kind`; `learned` has the numbers of one that learns."""
    if kind == "identity":
        return x
    if kind == "relu":
        return x * (x > 0)
    if kind == "relu2":
        return x * x * (x > 0)
    if kind == "sigmoid":
        return 1 / (1 + torch.exp(-x))
    if kind == "tanh":
        return (torch.exp(x) - torch.exp(-x)) / (torch.exp(x) + torch.exp(-x))
    if kind == "softplus":
        return torch.log(1 + torch.exp(x))
    if kind == "silu":
        return x / (1 + torch.exp(-x))
    if kind == "quick_gelu":
        return x / (1 + torch.exp(-1.702 * x))
    if kind == "gelu":  # x Φ(x), Φ the distribution function of a normal variable
        return x * (1 + torch.erf(x / math.sqrt(2))) / 2
    if kind == "gelu_tanh":  # arXiv 1606.08415, section 2
        return x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))) / 2
    if kind == "mish":
        return x * torch.tanh(torch.log(1 + torch.exp(x)))
    if kind == "xielu":  # arXiv 2411.13010
        assert learned is not None
        above = torch.log(1 + torch.exp(learned["alpha_p"]))
        below = 0.5 + torch.log(1 + torch.exp(learned["alpha_n"]))
        return x / 2 + torch.where(x > 0, above * x * x, below * (torch.exp(x) - 1 - x))
    raise AssertionError(kind)
