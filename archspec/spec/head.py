"""What turns the last hidden state into logits."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from archspec.spec.base import Factor, Strict


class Head(Strict):
    """A linear layer to the vocabulary."""

    type: Literal["linear"] = "linear"
    tied: bool = Field(description="The weight is the token embedding's own.")
    bias: bool = Field(default=False, description="The layer has a bias.")
    scale: Factor | None = Field(default=None, description="Multiplies the logits.")
    softcap: Factor | None = Field(
        default=None, description="Logits l become softcap · tanh(l / softcap)."
    )
