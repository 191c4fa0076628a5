"""What turns token ids into the first hidden state."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from archspec.spec.base import Factor, Size, Strict, Tokens
from archspec.spec.norm import OptionalNorm


class LearnedPositions(Strict):
    """A learned vector for each absolute position."""

    type: Literal["learned"] = "learned"
    length: Tokens = Field(description="How many positions have a vector.")
    offset: int = Field(
        default=0, ge=0, le=1024, description="Rows of the table before that of position 0."
    )


class Embedding(Strict):
    """Token vectors and what is added to them before the first layer."""

    scale: Factor | Literal["sqrt(hidden_size)"] | None = Field(
        default=None, description="Multiplies the token vectors."
    )
    width: Size | None = Field(
        default=None,
        description="Width of the token vectors; a linear layer leads to `hidden_size`, and "
        "another one back before the head.",
    )
    positions: LearnedPositions | None = Field(
        default=None, description="Absolute positions added to the token vectors."
    )
    token_types: Size | None = Field(
        default=None, description="How many kinds of segment have a vector."
    )
    norm: OptionalNorm = Field(default=None, description="A norm after the sum.")
