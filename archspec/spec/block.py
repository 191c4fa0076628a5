"""One kind of layer: its branches and where their norms stand."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from archspec.mechanisms import FeedForward, Mixer, TokenVectors
from archspec.mechanisms.mixers.attention.spec import Attention
from archspec.spec.base import Factor, SideBySide, Strict, reject
from archspec.spec.norm import Norm
from archspec.spec.scale import LearnedScale

MAX_BESIDE = 8

NormPosition = Literal["pre", "post", "sandwich", "output", "none"]


class Block(Strict):
    """A kind of layer that the schedule names: a mixer, a feed-forward, or one after the other.

    Each branch adds to the residual stream x. `norm_position` says where its norms stand:
    `pre` x + f(N(x)); `post` N(x + f(x)); `output` x + N(f(x)); `sandwich` x + N(f(N(x)));
    `none` x + f(x). Several mixers in a list, or several feed-forwards, read the same x, and x
    takes their sum.
    """

    mixer: Annotated[tuple[Mixer, ...], SideBySide] = Field(
        default=(),
        max_length=MAX_BESIDE,
        description="What mixes information across tokens; a list stands side by side.",
    )
    cross_attention: Attention | None = Field(
        default=None,
        description="After the mixer, attention to the encoder's states: `source: encoder`.",
    )
    feedforward: Annotated[tuple[FeedForward, ...], SideBySide] = Field(
        default=(),
        max_length=MAX_BESIDE,
        description="What works on each token by itself; a list stands side by side.",
    )
    per_layer_input: TokenVectors | None = Field(
        default=None, description="Last, the token's own vector for this layer."
    )
    norm_position: NormPosition = Field(
        default="pre", description="Where the norms stand around each branch."
    )
    list_norms: Literal["shared", "each"] = Field(
        default="shared",
        description="Norms of several mixers or feed-forwards in a list: one for all, or one for "
        "each. With `each` a `sandwich` has another one around their sum.",
    )
    parallel: bool = Field(
        default=False, description="Both branches read the same x, and x takes both at once."
    )
    shared_norm: bool = Field(
        default=False, description="With `parallel`, one norm stands before both branches."
    )
    residual_scale: Factor | LearnedScale | None = Field(
        default=None, description="Multiplies what each branch adds to x."
    )
    stream_scale: Factor | LearnedScale | None = Field(
        default=None, description="Multiplies x at the end of the layer."
    )
    norm: Norm | None = Field(
        default=None, description="The norm of this block, over the model's `norm`."
    )

    @model_validator(mode="after")
    def _has_a_branch(self) -> Block:
        if not self.mixer and not self.feedforward:
            reject("", "a block needs a mixer, a feedforward, or both")
        if self.parallel and not (self.mixer and self.feedforward):
            reject("parallel", "two branches are parallel: a mixer and a feedforward")
        if self.parallel and max(len(self.mixer), len(self.feedforward)) > 1:
            reject("parallel", "with `parallel` there is one mixer and one feedforward")
        if self.parallel and self.cross_attention:
            reject("parallel", "cross-attention stands between the mixer and the feedforward")
        if self.shared_norm and not self.parallel:
            reject("shared_norm", "one norm before both branches needs `parallel: true`")
        if self.shared_norm and self.norm_position not in ("pre", "sandwich"):
            reject("shared_norm", "a norm stands before the branches with `norm_position: pre`")
        if self.parallel and self.norm_position == "post":
            reject("norm_position", "parallel branches are added once: `pre`, `output` or `none`")
        if self.cross_attention and self.cross_attention.source != "encoder":
            reject(
                ("cross_attention", "source"),
                "cross-attention reads the encoder's states",
                "source: encoder",
            )
        for body in self.mixer:
            if getattr(body, "source", "self") == "encoder":
                reject("mixer", "attention to the encoder's states stands under `cross_attention`")
        return self
