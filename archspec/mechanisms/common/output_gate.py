"""The gate on what the heads of a recurrent mixer give: one part of several mixers."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from archspec.spec.base import Size, Strict

FUNCTIONS = {"sigmoid": "torch.sigmoid", "silu": "F.silu"}
"""The activations of a gate, as PyTorch has them."""

LABELS = {"sigmoid": "σ", "silu": "SiLU"}
"""The same in a figure."""


class OutputGate(Strict):
    """What the heads give, after any norm, is multiplied by a function of the layer's input."""

    activation: Literal["sigmoid", "silu"] = Field(
        description="Applied to a linear map of the input."
    )
    rank: Size | None = Field(
        default=None, description="The map goes through so few numbers; straight when left out."
    )
    bias: bool = Field(default=False, description="The map has a bias, behind its last matrix.")
