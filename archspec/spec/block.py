"""One kind of layer: its branches and where their norms stand."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from archspec.mechanisms import FeedForward, Mixer
from archspec.spec.base import Factor, Strict, reject
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
    parallel: bool = Field(
        default=False, description="Both branches read the same x, and x takes both at once."
    )
    shared_norm: bool = Field(
        default=False, description="With `parallel`, one norm stands before both branches."
    )
    residual_scale: Factor | None = Field(
        default=None, description="Multiplies what each branch adds to x."
    )
    norm: Norm | None = Field(
        default=None, description="The norm of this block, over the model's `norm`."
    )

    @model_validator(mode="after")
    def _has_a_branch(self) -> Block:
        if self.mixer is None and self.feedforward is None:
            reject("", "a block needs a mixer, a feedforward, or both")
        if self.parallel and (self.mixer is None or self.feedforward is None):
            reject("parallel", "two branches are parallel: a mixer and a feedforward")
        if self.shared_norm and not self.parallel:
            reject("shared_norm", "one norm before both branches needs `parallel: true`")
        if self.shared_norm and self.norm_position not in ("pre", "sandwich"):
            reject("shared_norm", "a norm stands before the branches with `norm_position: pre`")
        if self.parallel and self.norm_position == "post":
            reject("norm_position", "parallel branches are added once: `pre`, `output` or `none`")
        return self
