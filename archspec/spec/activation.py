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

FORMULAS: dict[Activation, str] = {
    "gelu": "x · Φ(x), Φ(x) = (1 + erf(x / √2)) / 2 (arXiv 1606.08415)",
    "gelu_tanh": "x / 2 · (1 + tanh(√(2 / π) · (x + 0.044715 x³))) (arXiv 1606.08415)",
    "identity": "x",
    "mish": "x · tanh(ln(1 + e^x)) (arXiv 1908.08681)",
    "quick_gelu": "x · σ(1.702 x) (arXiv 1606.08415)",
    "relu": "max(x, 0)",
    "relu2": "max(x, 0)² (arXiv 2109.08668)",
    "sigmoid": "σ(x) = 1 / (1 + e^−x)",
    "silu": "x · σ(x) (arXiv 1702.03118)",
    "softplus": "ln(1 + e^x)",
    "tanh": "tanh(x)",
    "xielu": "x > 0: a x² + x / 2; else: b (e^m − 1 − x) + x / 2 with m = min(x, −1e-6), "
    "a = ln(1 + e^p), b = 1 / 2 + ln(1 + e^n), p and n learned (arXiv 2411.13010)",
}
"""What each computes of a number x."""

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
