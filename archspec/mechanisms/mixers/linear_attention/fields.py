"""The parts of linear attention that have fields of their own."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from archspec.spec.base import Factor, Size, Strict, reject, true_is_default
from archspec.spec.norm import Norm


class SlopesDecay(Strict):
    """Head h of H keeps exp(−f · 2^(−max_exponent · (h + 1) / H)) of its state, h from 0.

    In layer l of its stack, counted from 0, f is factor − fall · l. Lightning attention (arXiv
    2405.17383, section 3.3) lowers it from layer to layer, so that later layers remember longer.
    """

    type: Literal["slopes"]
    max_exponent: Factor = Field(default=8.0, description="The exponent of the flattest slope.")
    factor: Factor = Field(default=1.0, description="Multiplies every slope of the first layer.")
    fall: float = Field(
        default=0.0, ge=0, le=1e9, description="What the factor loses with each layer."
    )

    def at(self, index: int) -> float:
        """What multiplies the slopes of layer `index`."""
        return self.factor - self.fall * index


class RetentionDecay(Strict):
    """Head h keeps 1 − 2^(−first − h) of its state, h from 0 (arXiv 2307.08621, section 3.1)."""

    type: Literal["retention"]
    first: Factor = Field(default=5.0, description="The exponent of the first head.")


class LearnedDecay(Strict):
    """What is kept follows from the token: sigmoid(W x + b)^(1 / divisor) (arXiv 2312.06635)."""

    type: Literal["learned"]
    per: Literal["head", "channel"] = Field(
        description="One decay for every head, or one for every number of its keys."
    )
    rank: Size | None = Field(
        default=None, description="W is a product of two matrices with this width between them."
    )
    bias: bool = Field(default=True, description="There is a b.")
    divisor: Factor = Field(default=16.0, description="How much slower than the sigmoid it fades.")


Decay = Annotated[SlopesDecay | RetentionDecay | LearnedDecay, Field(discriminator="type")]


class OutputNorm(Norm):
    """A norm of what is read from the state."""

    scope: Literal["head", "each_head", "width"] = Field(
        default="head",
        description="`head`: over each head, one weight for all; `each_head`: over each head, a "
        "weight for each; `width`: over all heads together.",
    )
    groups: Size | None = Field(
        default=None, description="With `width`: so many equal parts, each normed by itself."
    )

    @model_validator(mode="after")
    def _check(self) -> OutputNorm:
        if self.groups and self.scope != "width":
            reject("groups", "parts of all heads together need `scope: width`")
        return self

    def parts(self, heads: int) -> int | None:
        """How many parts of the heads' whole width have their own norm and weight."""
        return heads if self.scope == "each_head" else self.groups


OptionalOutputNorm = Annotated[
    OutputNorm | None,
    BeforeValidator(true_is_default, json_schema_input_type=bool | OutputNorm | None),
]
"""A norm, `true` for the model's own over each head, or `false` for none."""
