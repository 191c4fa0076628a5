"""One kind of layer: its branches and where their norms stand."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from archspec.mechanisms import FeedForward, Mixer
from archspec.spec.base import Strict, reject
from archspec.spec.norm import Norm

NormPosition = Literal["pre", "post", "sandwich", "output", "none"]


class Block(Strict):
    """A kind of layer that the schedule names: a mixer, a feed-forward, or one after the other.

    Each branch adds to the residual stream x. `norm_position` says where its norms stand:
    `pre` x + f(N(x)); `post` N(x + f(x)); `output` x + N(f(x)); `sandwich` x + N(f(N(x)));
    `none` x + f(x).
    """

    mixer: Mixer | None = Field(default=None, description="What mixes information across tokens.")
    feedforward: FeedForward | None = Field(
        default=None, description="What works on each token by itself."
    )
    norm_position: NormPosition = Field(
        default="pre", description="Where the norms stand around each branch."
    )
    norm: Norm | None = Field(
        default=None, description="The norm of this block, over the model's `norm`."
    )

    @model_validator(mode="after")
    def _has_a_branch(self) -> Block:
        if self.mixer is None and self.feedforward is None:
            reject("", "a block needs a mixer, a feedforward, or both")
        return self
