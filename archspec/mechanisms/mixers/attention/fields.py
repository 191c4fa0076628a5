"""The parts of softmax attention that have fields of their own."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from archspec.architecture.block_pattern import BlockPattern
from archspec.spec.base import Factor, Size, Strict, Tokens, reject, true_is_default


class Alibi(Strict):
    """A bias that falls with distance, by a slope for each head (arXiv 2108.12409)."""

    max_bias: Factor = Field(default=8.0, description="The exponent of the flattest slope.")
    scaled: bool = Field(
        default=False, description="The bias is added before the scores are scaled."
    )

    def exponents(self, heads: int) -> list[float]:
        """The slope of head h is two to the minus this; for other counts than powers of two, the
        slopes of the power below, then every second one of the power above.
        """
        below = 2 ** math.floor(math.log2(heads))
        step = self.max_bias / below
        found = [step * (i + 1) for i in range(below)]
        return found + [step / 2 * (2 * i + 1) for i in range(heads - below)]


OptionalAlibi = Annotated[
    Alibi | None, BeforeValidator(true_is_default, json_schema_input_type=bool | Alibi | None)
]
"""ALiBi, `true` for its usual slopes, or `false` for none."""


class BlockSparse(Strict):
    """The text is cut into blocks, of which a query sees the last, the first, and stripes.

    Stripes are vertical: every `stride`-th block of keys is seen from all later ones (arXiv
    1904.10509, section 4.2; 2404.14219, section 2).
    """

    size: Size = Field(description="Tokens of a block, a multiple of 16.")
    local: Size = Field(description="How many of the last blocks a query sees, its own included.")
    stride: Size | None = Field(
        default=None, description="Of so many blocks one is seen from everywhere behind it."
    )
    first: int = Field(
        default=0, ge=0, le=1 << 20, description="How many blocks at the start are always seen."
    )
    shifted: bool = Field(
        default=False,
        description="Each key-value head has stripes of its own; query heads that share keys share "
        "them.",
    )

    @model_validator(mode="after")
    def _check(self) -> BlockSparse:
        if self.size % 16:
            near = max(16, round(self.size / 16) * 16)
            reject("size", f"blocks of {self.size} do not fit tiles of 16", f"{near} would")
        if self.stride == 1:
            reject("stride", "a stride of 1 sees every block", "leave out `block_sparse`")
        if self.shifted and not self.stride:
            reject("shifted", "there are no stripes to shift", "give a `stride`")
        if not self.stride and not self.first:
            hint = f"give `stride` or `first`, or `window: {self.size * self.local}`"
            reject("local", "local blocks alone are nearly a window", hint)
        return self

    def pattern(self, key_heads: int) -> BlockPattern:
        """As a formula; shifts are spread over the stride where heads are few."""
        if not self.shifted or self.stride is None or key_heads == 1:
            return BlockPattern(self.size, self.local, self.first, self.stride)
        shift = max(1, self.stride // key_heads)
        return BlockPattern(self.size, self.local, self.first, self.stride, shift, key_heads)


class RelativeBias(Strict):
    """A learned number for each head and distance, added to the scores.

    With `buckets` near distances have one each and far ones share them, ever more widely up to
    `max_distance` (arXiv 1910.10683, section 2.1): half of the buckets are for near ones, and
    where attention looks both ways half are for each side. Without, every distance below
    `max_distance` has its own.
    """

    max_distance: Size = Field(description="What is further away counts as this far.")
    buckets: Size | None = Field(
        default=None, description="How many groups of distances have a number."
    )
    shared: bool = Field(
        default=True, description="All layers of the stack have one table, or each its own."
    )

    def fitting(self, causal: bool) -> range:
        """The counts of buckets that leave near distances one each, and far ones some to share."""
        each = 2 if causal else 4
        return range(each, each * self.max_distance, 2)

    @property
    def distances(self) -> int:
        """How many distances of a side are told apart, that of none included."""
        return self.max_distance + (1 if self.buckets else 0)

    def rows(self, causal: bool) -> int:
        """How many numbers a head has."""
        return self.buckets or self.max_distance * (1 if causal else 2)


class FloorTemperature(Strict):
    """Queries grow with position: × (1 + scale · ln(1 + ⌊(position + 1) / floor⌋))."""

    type: Literal["log_floor"]
    floor: Tokens = Field(description="How many tokens share a temperature.")
    scale: Factor = Field(description="How fast queries grow.")


class PositionTemperature(Strict):
    """Queries grow with position: × (1 + scale · ln(1 + ⌊position / original_context⌋))."""

    type: Literal["log_position"]
    original_context: Tokens = Field(description="Positions below this keep their size.")
    scale: Factor = Field(description="How fast queries grow.")


class ClippedTemperature(Strict):
    """Queries grow beyond a length L: × (1 + scale · ln(max(1, (position + 1) / L)))."""

    type: Literal["log_clipped"]
    original_context: Tokens = Field(description="Positions below this keep their size.")
    scale: Factor = Field(description="How fast queries grow.")


class PowerTemperature(Strict):
    """Queries grow as a power: × (1 + (position + 1) / original_context)^exponent."""

    type: Literal["power"]
    original_context: Tokens = Field(description="The length at which queries have grown by two.")
    exponent: Factor = Field(description="The power.")


class LearnedTemperature(Strict):
    """Queries grow with position as each head learns: × (scale_h · ln(position + 1) + bias_h)."""

    type: Literal["learned"]


Temperature = Annotated[
    FloorTemperature
    | PositionTemperature
    | ClippedTemperature
    | PowerTemperature
    | LearnedTemperature,
    Field(discriminator="type"),
]


GATES = {"sigmoid": "torch.sigmoid", "softplus": "F.softplus"}
"""The functions of a gate, as PyTorch has them."""


class Gate(Strict):
    """What attention gives is multiplied by a function of the layer's input (arXiv 2505.06708)."""

    activation: Literal["sigmoid", "softplus"] = Field(
        default="sigmoid", description="Applied to the gate's linear layer."
    )
    per: Literal["element", "head"] = Field(
        description="One gate for every number, or one for every head."
    )
    bias: bool = Field(default=False, description="The gate's linear layer has a bias.")
