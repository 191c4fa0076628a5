"""The whole spec, as it stands once `extends`, `defaults` and `overrides` are written out."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from archspec.spec.about import About
from archspec.spec.base import (
    Factor,
    Line,
    ModelName,
    Name,
    OneOrMany,
    Size,
    Strict,
    Tokens,
    Vocabulary,
)
from archspec.spec.block import Block
from archspec.spec.checkpoint import Checkpoint
from archspec.spec.embedding import Embedding
from archspec.spec.encoder import Encoder
from archspec.spec.head import Head
from archspec.spec.mtp import MultiTokenPrediction
from archspec.spec.norm import Norm, OptionalNorm


class ModelSpec(Strict):
    """A model: its embedding, its kinds of block, the schedule of its layers, its head."""

    archspec: Literal[1] = Field(description="The version of this language, 1.")
    name: ModelName = Field(description="Names the package; letters, digits, dots, dashes.")
    title: Line | None = Field(default=None, description="The name as people write it.")
    about: About = Field(default=About(), description="What is published about the model.")
    vocab_size: Vocabulary = Field(description="Rows of the token embedding.")
    hidden_size: Size = Field(description="Width of the residual stream.")
    context_length: Tokens = Field(description="The longest text the model is made for, in tokens.")
    norm: Norm = Field(default=Norm(), description="The norm used wherever none is given.")
    embedding: Embedding = Field(default=Embedding(), description="Before the first layer.")
    blocks: dict[Name, Block] = Field(min_length=1, description="The kinds of layer, by name.")
    layers: Annotated[tuple[str, ...], OneOrMany] = Field(
        min_length=1,
        description="The schedule: `24 x block`, `6 x (5 x local, global)`, or a list of such.",
    )
    encoder: Encoder | None = Field(
        default=None, description="The stack whose states `cross_attention` reads."
    )
    final_norm: OptionalNorm = Field(default=Norm(), description="A norm after the last layer.")
    head: Head | None = Field(description="What gives logits; `null` for a model without one.")
    mtp: MultiTokenPrediction | None = Field(
        default=None, description="Modules that predict tokens beyond the next one."
    )
    checkpoint: Checkpoint = Field(
        default=Checkpoint(), description="How published tensors map to the built model."
    )
    init_std: Factor = Field(
        default=0.02, description="Standard deviation of freshly drawn weights."
    )
