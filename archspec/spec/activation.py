"""Activations and how each is drawn."""

from __future__ import annotations

from math import expm1, log
from typing import Literal

Elementwise = Literal[
    "gelu",
    "gelu_tanh",
    "mish",
    "quick_gelu",
    "relu",
    "relu2",
    "sigmoid",
    "silu",
    "softplus",
    "tanh",
]
"""Functions of a number that have nothing to learn and change something."""

Fixed = Literal[Elementwise, "identity"]
"""All that have nothing to learn."""

Activation = Literal[Fixed, "xielu"]
"""All of them; those that learn are modules of their own."""

CAPTIONS: dict[Activation, str] = {
    "gelu": "GELU",
    "gelu_tanh": "GELU (tanh)",
    "identity": "identity",
    "mish": "Mish",
    "quick_gelu": "x·σ(1.702 x)",
    "relu": "ReLU",
    "relu2": "ReLU²",
    "sigmoid": "sigmoid",
    "silu": "SiLU",
    "softplus": "softplus",
    "tanh": "tanh",
    "xielu": "xIELU",
}

GATED_CAPTIONS: dict[Activation, str] = {
    "gelu": "GEGLU",
    "gelu_tanh": "GEGLU",
    "identity": "Bilinear",
    "mish": "Mish-gated",
    "quick_gelu": "SwiGLU",
    "relu": "ReGLU",
    "relu2": "ReGLU²",
    "sigmoid": "GLU",
    "silu": "SwiGLU",
    "softplus": "Softplus-gated",
    "tanh": "Tanh-gated",
    "xielu": "xIELU-gated",
}

LEARNED: dict[Activation, dict[str, float]] = {
    "xielu": {"alpha_p": log(expm1(0.8)), "alpha_n": log(expm1(0.3))},
}
"""The numbers that an activation learns, and where they start: it is a module of its own."""
