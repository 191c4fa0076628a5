"""The encoder whose states a decoder attends to."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from archspec.spec.base import OneOrMany, Strict, Tokens
from archspec.spec.embedding import Embedding
from archspec.spec.norm import Norm, OptionalNorm


class Encoder(Strict):
    """A stack that reads the whole source, of the same width and vocabulary as the decoder.

    Without `layers` the model is given the encoder's states, those of an image or of sound.
    """

    layers: Annotated[tuple[str, ...], OneOrMany] = Field(
        default=(), description="Its schedule, of blocks that see the whole text."
    )
    context_length: Tokens | None = Field(
        default=None, description="The longest source; the model's context when left out."
    )
    embedding: Embedding = Field(
        default=Embedding(), description="What is added to the token vectors it shares."
    )
    final_norm: OptionalNorm = Field(default=Norm(), description="A norm after its last layer.")
