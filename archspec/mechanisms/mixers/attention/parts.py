"""The parts of softmax attention that have fields of their own."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from archspec.spec.base import Factor, Strict, Tokens, true_is_default


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


Temperature = Annotated[FloorTemperature | PositionTemperature, Field(discriminator="type")]


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
