"""The registry: a mechanism exists once its name stands in one of these two unions."""

from __future__ import annotations

from typing import Annotated, Any, get_args

from pydantic import Field

from archspec.mechanisms.base import Mechanism
from archspec.mechanisms.feedforward.dense.spec import DenseFeedForward
from archspec.mechanisms.feedforward.moe.spec import MixtureOfExperts
from archspec.mechanisms.mixers.attention.spec import Attention
from archspec.mechanisms.mixers.linear_attention.spec import LinearAttention
from archspec.mechanisms.mixers.mla.spec import LatentAttention
from archspec.mechanisms.mixers.short_conv.spec import ShortConvolution

Mixer = Annotated[
    Attention | LatentAttention | LinearAttention | ShortConvolution,
    Field(discriminator="type"),
]
FeedForward = Annotated[DenseFeedForward | MixtureOfExperts, Field(discriminator="type")]


def mechanisms() -> tuple[type[Mechanism], ...]:
    """Every mechanism, mixers first."""
    return tuple(member for union in (Mixer, FeedForward) for member in members(union))


def members(union: Any) -> tuple[type[Mechanism], ...]:
    """The mechanisms in `Mixer` or `FeedForward`."""
    if isinstance(union, type):
        return (union,)
    return get_args(get_args(union)[0])
