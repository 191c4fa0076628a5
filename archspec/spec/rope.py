"""Rotary positions (RoFormer, arXiv 2104.09864) and their stretching to longer texts."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import Field, model_validator

from archspec.spec.base import Factor, Strict, Tokens, reject


class LinearScaling(Strict):
    """Positions divided by `factor` (arXiv 2306.15595)."""

    type: Literal["linear"]
    factor: Factor = Field(description="How many times longer the text may get.")


class Llama3Scaling(Strict):
    """Slow rotations divided by `factor`, fast ones kept, the rest blended (arXiv 2407.21783)."""

    type: Literal["llama3"]
    factor: Factor = Field(description="How many times longer the text may get.")
    low_frequency_factor: Factor = Field(
        description="Rotations in `original_context` below which all is divided."
    )
    high_frequency_factor: Factor = Field(
        description="Rotations in `original_context` above which nothing changes."
    )
    original_context: Tokens = Field(description="The context length before stretching.")

    @model_validator(mode="after")
    def _ordered(self) -> Llama3Scaling:
        if self.high_frequency_factor <= self.low_frequency_factor:
            reject("high_frequency_factor", "must be above low_frequency_factor")
        return self


class YarnScaling(Strict):
    """YaRN (arXiv 2309.00071): interpolation by rotation speed, and a larger temperature."""

    type: Literal["yarn"]
    factor: Factor = Field(description="How many times longer the text may get.")
    original_context: Tokens = Field(description="The context length before stretching.")
    beta_fast: Factor = Field(default=32.0, description="Rotations above which nothing changes.")
    beta_slow: Factor = Field(default=1.0, description="Rotations below which all is divided.")
    truncate: bool = Field(default=True, description="Round the ramp's ends to whole dimensions.")
    attention_factor: Factor | None = Field(
        default=None, description="Multiplies cosine and sine; 0.1·ln(factor) + 1 when left out."
    )

    @model_validator(mode="after")
    def _ordered(self) -> YarnScaling:
        if self.beta_fast <= self.beta_slow:
            reject("beta_fast", "must be above beta_slow")
        return self

    def temperature(self) -> float:
        """What cosine and sine are multiplied by (section 3.4)."""
        if self.attention_factor is not None:
            return self.attention_factor
        return 0.1 * math.log(self.factor) + 1.0 if self.factor > 1 else 1.0


RopeScaling = Annotated[LinearScaling | Llama3Scaling | YarnScaling, Field(discriminator="type")]


class Rope(Strict):
    """Rotary positions applied to queries and keys."""

    theta: float = Field(gt=1, le=1e12, description="The base of the rotation periods.")
    fraction: float = Field(
        default=1.0, gt=0, le=1, description="The share of each head's dimensions that rotates."
    )
    scaling: RopeScaling | None = Field(
        default=None, description="How it was stretched to longer texts."
    )

    def width(self, head_dim: int) -> int:
        """How many of `head_dim` dimensions rotate."""
        return int(head_dim * self.fraction)
