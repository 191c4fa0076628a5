"""The registry: a mechanism exists once its name stands in one of these unions."""

from __future__ import annotations

from typing import Annotated, Any, get_args

from pydantic import Field

from archspec.mechanisms.base import Mechanism
from archspec.mechanisms.embeddings.per_layer.spec import PerLayerEmbedding
from archspec.mechanisms.feedforward.dense.spec import DenseFeedForward
from archspec.mechanisms.feedforward.moe.spec import MixtureOfExperts
from archspec.mechanisms.mixers.attention.spec import Attention
from archspec.mechanisms.mixers.gated_deltanet.spec import GatedDeltaNet
from archspec.mechanisms.mixers.kimi_delta.spec import KimiDelta
from archspec.mechanisms.mixers.linear_attention.spec import LinearAttention
from archspec.mechanisms.mixers.mamba.spec import Mamba
from archspec.mechanisms.mixers.mamba2.spec import Mamba2
from archspec.mechanisms.mixers.mla.spec import LatentAttention
from archspec.mechanisms.mixers.rg_lru.spec import RealGatedLRU
from archspec.mechanisms.mixers.short_conv.spec import ShortConvolution

Mixer = Annotated[
    Attention
    | GatedDeltaNet
    | KimiDelta
    | LatentAttention
    | LinearAttention
    | Mamba
    | Mamba2
    | RealGatedLRU
    | ShortConvolution,
    Field(discriminator="type"),
]
FeedForward = Annotated[DenseFeedForward | MixtureOfExperts, Field(discriminator="type")]
TokenVectors = PerLayerEmbedding


def mechanisms() -> tuple[type[Mechanism], ...]:
    """Every mechanism, mixers first."""
    unions = (Mixer, FeedForward, TokenVectors)
    return tuple(member for union in unions for member in members(union))


def members(union: Any) -> tuple[type[Mechanism], ...]:
    """The mechanisms in one of the unions."""
    if isinstance(union, type):
        return (union,)
    return get_args(get_args(union)[0])
