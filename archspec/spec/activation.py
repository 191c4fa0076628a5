"""Pointwise activations and how each is drawn."""

from __future__ import annotations

from typing import Literal

Activation = Literal["gelu", "gelu_tanh", "quick_gelu", "relu", "relu2", "silu"]

CAPTIONS: dict[Activation, str] = {
    "gelu": "GELU",
    "gelu_tanh": "GELU (tanh)",
    "quick_gelu": "x·σ(1.702 x)",
    "relu": "ReLU",
    "relu2": "ReLU²",
    "silu": "SiLU",
}

GATED_CAPTIONS: dict[Activation, str] = {
    "gelu": "GEGLU",
    "gelu_tanh": "GEGLU",
    "quick_gelu": "SwiGLU",
    "relu": "ReGLU",
    "relu2": "ReGLU²",
    "silu": "SwiGLU",
}
