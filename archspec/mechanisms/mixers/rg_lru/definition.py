"""RG-LRU written out: arXiv 2402.19427, sections 2.3 and 2.4."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from archspec.mechanisms.common.definitions.activation import activation
from archspec.mechanisms.common.definitions.beside import Beside
from archspec.mechanisms.common.definitions.convolution import convolution
from archspec.mechanisms.common.definitions.linear import linear


def definition(fields: Any, weights: dict[str, Tensor], x: Tensor, beside: Beside) -> Tensor:
    """(B, T, C) → (B, T, C)."""
    u = convolution(weights, "conv_1d", linear(weights, "linear_x", x))
    i = activation("sigmoid", blocks(weights, "input_gate", u))
    r = activation("sigmoid", blocks(weights, "recurrent_gate", u))
    a = torch.exp(-8 * r * activation("softplus", weights["recurrent_param"]))
    share = torch.sqrt(1 - a**2)
    first = torch.ones_like(share[:, :1])  # that token has nothing before it
    share = torch.cat((first, share[:, 1:]), dim=1)
    h, _ = linear_scan(torch.log(a), share * i * u, torch.zeros_like(u[:, 0]))
    y = activation(fields.activation, linear(weights, "linear_y", x))
    return linear(weights, "linear_out", h * y)


def linear_scan(log_a: Tensor, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
    """H ← e^(log a) h + x, token by token; log_a and x (B, T, D), the state h (B, D)."""
    rows: list[Tensor] = []
    for t in range(x.shape[1]):
        state = torch.exp(log_a[:, t]) * state + x[:, t]
        rows.append(state)
    return torch.stack(rows, dim=1), state


def blocks(weights: dict[str, Tensor], name: str, x: Tensor) -> Tensor:
    """W_n x_n + b_n for each block n of channels; W is (H, D in, D out)."""
    weight, bias = weights[f"{name}.weight"], weights[f"{name}.bias"]
    width = weight.shape[1]
    parts = [
        x[..., n * width : (n + 1) * width] @ weight[n] + bias[n] for n in range(weight.shape[0])
    ]
    return torch.cat(parts, dim=-1)
