"""What turns token ids into the first hidden state."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from archspec.spec.base import Factor, Size, Strict, Tokens, Vocabulary
from archspec.spec.norm import OptionalNorm


class LearnedPositions(Strict):
    """A learned vector for each absolute position."""

    type: Literal["learned"]
    length: Tokens = Field(description="How many positions have a vector.")
    offset: int = Field(
        default=0, ge=0, le=1024, description="Rows of the table before that of position 0."
    )


class SinusoidalPositions(Strict):
    """Sines and cosines of the position at falling frequencies (arXiv 1706.03762, section 3.5).

    Pair i of a vector of width C holds sin and cos of position · base^(−i / n), where n is C / 2,
    or C / 2 − 1 with `ends: true`, which gives the last pair the frequency 1 / base exactly.
    """

    type: Literal["sinusoidal"]
    layout: Literal["interleaved", "halves"] = Field(
        default="interleaved",
        description="Sine and cosine of a pair stand together, or all sines before all cosines.",
    )
    base: Factor = Field(default=10_000.0, description="How much slower the last pair turns.")
    ends: bool = Field(default=False, description="The last pair turns at 1 / base exactly.")
    offset: int = Field(
        default=0, ge=0, le=1024, description="The position that the first token has."
    )


Positions = Annotated[LearnedPositions | SinusoidalPositions, Field(discriminator="type")]


class LayerProjection(Strict):
    """A linear map of the first hidden state to every layer's vector."""

    scale: Factor = Field(default=1.0, description="Multiplies what it gives.")
    norm: OptionalNorm = Field(default=None, description="A norm over each layer's vector.")


class LayerVectors(Strict):
    """A vector of the token for every layer: (norm(scale · W x) + scale · E[token]) · sum_scale."""

    width: Size = Field(description="Width of one layer's vector.")
    vocab_size: Vocabulary | None = Field(
        default=None, description="Rows of the table; `vocab_size` of the model when left out."
    )
    scale: Factor | Literal["sqrt(width)"] | None = Field(
        default=None, description="Multiplies the vectors of the table."
    )
    projection: LayerProjection | None = Field(
        default=None, description="A linear map of the first hidden state, added to them."
    )
    sum_scale: Factor | None = Field(default=None, description="Multiplies the sum.")


class Embedding(Strict):
    """Token vectors and what is added to them before the first layer."""

    scale: Factor | Literal["sqrt(hidden_size)"] | None = Field(
        default=None, description="Multiplies the token vectors."
    )
    scale_rounded: bool = Field(
        default=False,
        description="Factors on vectors from tables are rounded to the type of these first, as in "
        "some models do, whose √3072 is 55.5 in bfloat16; otherwise their product alone is.",
    )
    width: Size | None = Field(
        default=None,
        description="Width of the token vectors; a linear layer leads to `hidden_size`, and "
        "another one back before the head.",
    )
    positions: Positions | None = Field(
        default=None, description="Absolute positions added to the token vectors."
    )
    token_types: Size | None = Field(
        default=None, description="How many kinds of segment have a vector."
    )
    norm: OptionalNorm = Field(default=None, description="A norm after the sum.")
    per_layer: LayerVectors | None = Field(
        default=None, description="Vectors of the token for every layer, read by `per_layer_input`."
    )
