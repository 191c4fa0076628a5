"""Rotary positions (RoFormer, arXiv 2104.09864) and their stretching to longer texts."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import Field, model_validator

from archspec.spec.base import Factor, OneOrMany, Strict, Tokens, reject


class Stretched(Strict):
    """A rotation made to reach `factor` times further."""

    factor: Factor = Field(description="How many times longer the text may get.")

    def caption(self) -> str:
        """What is done, in a few words."""
        names = {"yarn": "YaRN", "llama3": "by frequency", "ntk": "NTK"}
        kind = str(getattr(self, "type", ""))
        return f"stretched × {self.factor:g} ({names.get(kind, kind)})"


class LinearScaling(Stretched):
    """Positions divided by `factor` (arXiv 2306.15595)."""

    type: Literal["linear"]


class Llama3Scaling(Stretched):
    """Slow rotations divided by `factor`, fast ones kept, the rest blended (arXiv 2407.21783)."""

    type: Literal["llama3"]
    low_frequency_factor: Factor = Field(
        description="Rotations in `original_context` below which all is divided."
    )
    high_frequency_factor: Factor = Field(
        description="Rotations in `original_context` above which nothing changes."
    )
    original_context: Tokens = Field(description="The context length before stretching.")

    @model_validator(mode="after")
    def _ordered(self) -> Llama3Scaling:
        if self.high_frequency_factor < self.low_frequency_factor:
            reject("high_frequency_factor", "must not be below low_frequency_factor")
        return self


class YarnScaling(Stretched):
    """YaRN (arXiv 2309.00071): interpolation by rotation speed, and a larger temperature."""

    type: Literal["yarn"]
    original_context: Tokens = Field(description="The context length before stretching.")
    beta_fast: Factor = Field(default=32.0, description="Rotations above which nothing changes.")
    beta_slow: Factor = Field(default=1.0, description="Rotations below which all is divided.")
    truncate: bool = Field(default=True, description="Round the ramp's ends to whole dimensions.")
    attention_factor: Factor | None = Field(
        default=None, description="Multiplies cosine and sine; 0.1·ln(factor) + 1 when left out."
    )

    @model_validator(mode="after")
    def _ordered(self) -> YarnScaling:
        if self.beta_fast < self.beta_slow:
            reject("beta_fast", "must not be below beta_slow")
        return self

    def temperature(self) -> float:
        """What cosine and sine are multiplied by (section 3.4)."""
        if self.attention_factor is not None:
            return self.attention_factor
        return 0.1 * math.log(self.factor) + 1.0 if self.factor > 1 else 1.0


class NtkScaling(Stretched):
    """A base so much larger that the slowest rotation stretches `factor` times (2309.00071)."""

    type: Literal["ntk"]


class DynamicScaling(Stretched):
    """The base of `ntk`, grown with the text once it is longer than `original_context`.

    Then every token turns all others anew: to write on from there is to read the text once a token.
    """

    type: Literal["dynamic"]
    original_context: Tokens = Field(description="The context length before stretching.")


class LongRopeScaling(Strict):
    """A divisor for each pair of dimensions, one set for short texts, one for long (2402.13753).

    A text that grows from short to long as it is written is read anew at that token.
    """

    type: Literal["longrope"]
    original_context: Tokens = Field(description="Texts longer than this are long.")
    short_factors: Annotated[tuple[Factor, ...], OneOrMany] = Field(
        min_length=1, max_length=4096, description="For texts up to `original_context`."
    )
    long_factors: Annotated[tuple[Factor, ...], OneOrMany] = Field(
        min_length=1, max_length=4096, description="For longer texts."
    )
    attention_factor: Factor = Field(description="Multiplies cosine and sine.")

    def caption(self) -> str:
        """What is done, in a few words."""
        return f"stretched beyond {self.original_context:,} tokens (LongRoPE)"


RopeScaling = Annotated[
    LinearScaling | Llama3Scaling | YarnScaling | NtkScaling | DynamicScaling | LongRopeScaling,
    Field(discriminator="type"),
]


class Rope(Strict):
    """Rotary positions applied to queries and keys."""

    theta: float = Field(gt=1, le=1e12, description="The base of the rotation periods.")
    fraction: float = Field(
        default=1.0, gt=0, le=1, description="The share of each head's dimensions that rotates."
    )
    pairing: Literal["half", "interleaved"] = Field(
        default="half",
        description="Dimension i turns with i + half of the width, or 2i with 2i + 1.",
    )
    reversed: bool = Field(default=False, description="The rotation goes the other way round.")
    proportional: bool = Field(
        default=False,
        description="The whole head rotates, with frequencies as if all of it did, and those "
        "beyond `fraction` are zero.",
    )
    scaling: RopeScaling | None = Field(
        default=None, description="How it was stretched to longer texts."
    )

    last: bool = Field(
        default=False,
        description="With a `fraction`, the last dimensions of a head turn, not the first.",
    )

    @model_validator(mode="after")
    def _check(self) -> Rope:
        if self.last and self.proportional:
            reject("last", "proportional rotations go through the whole head")
        if self.proportional and self.scaling:
            reject("scaling", "proportional rotations are not stretched")
        if self.proportional and self.pairing != "half":
            reject("pairing", "proportional rotations pair dimension i with i + half of the width")
        return self

    def width(self, head_dim: int) -> int:
        """How many of `head_dim` dimensions the rotation goes through."""
        return head_dim if self.proportional else int(head_dim * self.fraction)

    def check(self, head_dim: int, field: str) -> None:
        """Reject a head width that this cannot turn in; `field` is where the width is written."""
        width = self.width(head_dim)
        if width % 2:
            reject(
                field,
                f"rope turns {width} of {head_dim} dimensions; it turns pairs, so that number "
                "must be even",
            )
        if width == 0:
            reject(field, "too narrow for the share of it that rope turns")
        scaling = self.scaling
        if scaling and scaling.type == "longrope":
            for factors in (scaling.short_factors, scaling.long_factors):
                if len(factors) != width // 2:
                    reject("rope", f"{len(factors)} factors for {width // 2} pairs of dimensions")
        if scaling and scaling.type in ("ntk", "dynamic") and width < 4:
            reject("rope", "this scaling stretches between pairs, so it needs two of them")
