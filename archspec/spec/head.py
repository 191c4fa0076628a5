"""What turns the last hidden state into logits."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from archspec.spec.base import Strict


class Head(Strict):
    """A linear layer to the vocabulary."""

    type: Literal["linear"] = "linear"
    tied: bool = Field(description="The weight is the token embedding's own.")
    bias: bool = Field(default=False, description="The layer has a bias.")
