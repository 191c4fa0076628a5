"""Factors that are learned or stored with the weights."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from archspec.spec.base import Factor, Strict


class LearnedScale(Strict):
    """A factor stored with the weights: LayerScale (arXiv 2103.17239, section 2) and its kin."""

    per: Literal["layer", "channel"] = Field(
        default="layer", description="One number, or one for each channel of x."
    )
    initial: Factor = Field(default=1.0, description="Where it starts.")
    trained: bool = Field(
        default=True, description="It is learned; otherwise only saved and loaded."
    )
