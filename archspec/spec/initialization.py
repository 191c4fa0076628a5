"""How fresh weights are drawn."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from archspec.spec.base import Factor, Strict, reject


class Initialization(Strict):
    """The normal distributions that fresh matrices come from; biases start at zero.

    Left out, all matrices have one `std` (as in arXiv 2501.00656). `{output: scaled}` is that of
    Radford et al. 2019, section 2.3; `{truncated: 3}` cuts the distribution. A muP model (arXiv
    2203.03466, 2304.03208) has `std` divided by √(width / base width), `embedding_std` as in the
    base model, and its multipliers under `embedding.scale`, `residual_scale` and `head.scale`.
    `{std: 1, fan_in: true, embedding_std: 1, head_std: 0.001, output: zeros}` starts each layer as
    if it were not there.
    """

    std: Factor = Field(default=0.02, gt=0, description="Standard deviation of a matrix.")
    fan_in: bool = Field(
        default=False,
        description="`std` is divided by the square root of the width that a matrix reads.",
    )
    embedding_std: Factor | None = Field(
        default=None,
        gt=0,
        description="That of the vectors of tokens, positions and segments, where it differs; "
        "`fan_in` does not divide it.",
    )
    head_std: Factor | None = Field(
        default=None, gt=0, description="That of an untied head, likewise."
    )
    output: Literal["alike", "scaled", "zeros"] = Field(
        default="alike",
        description="Matrices whose product is added to the residual stream: as others, divided "
        "by the square root of how many branches add to it (twice the layers in most models), "
        "or zero, so that a fresh layer passes x on.",
    )
    truncated: Factor | None = Field(
        default=None, gt=0, description="No number is farther from zero than so many times `std`."
    )

    @model_validator(mode="after")
    def _check(self) -> Initialization:
        if self.fan_in and self.embedding_std is None:
            reject("fan_in", "vectors of tokens read no width", "give them an `embedding_std`")
        return self
