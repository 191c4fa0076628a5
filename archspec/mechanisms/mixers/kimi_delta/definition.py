"""KDA written out: arXiv 2510.26692."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from archspec.mechanisms.common.definitions.activation import activation
from archspec.mechanisms.common.definitions.beside import Beside
from archspec.mechanisms.common.definitions.delta_rule import delta_layer
from archspec.mechanisms.common.definitions.linear import heads, linear


def definition(fields: Any, weights: dict[str, Tensor], x: Tensor, beside: Beside) -> Tensor:
    """(B, T, C) → (B, T, C); g = −e^A softplus(f(x) + dt), or b σ(e^A (f(x) + dt)).

    g has a number for each channel of a key, A one for a head.
    """
    if fields.decay_rank is None:
        raw = linear(weights, "f_proj", x)
    else:
        raw = linear(weights, "f_b_proj", linear(weights, "f_a_proj", x))
    raw = heads(raw + weights["dt_bias"], fields.key_head_dim)  # (B, T, H, K)
    rate = torch.exp(weights["A_log"])[:, None]
    if fields.lower_bound is None:
        decay = -rate * activation("softplus", raw)
    else:
        decay = fields.lower_bound * activation("sigmoid", rate * raw)
    return delta_layer(fields, weights, x, decay, groups=1)
