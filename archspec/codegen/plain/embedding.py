"""From token ids to the first hidden state, in a plain file."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from archspec.architecture.stack import Embedding, LayerVectors
from archspec.codegen.plain.facts import number
from archspec.codegen.plain.norms import Norms
from archspec.spec.embedding import LearnedPositions, SinusoidalPositions


@dataclass(frozen=True)
class PlainEmbedding:
    """What enters the layers of one stack."""

    own: Embedding
    hidden_size: int
    norms: Norms
    sinusoids: str
    """The name of its function for positions, where they are computed."""

    @property
    def scale(self) -> str:
        """The factor on token vectors, to be appended."""
        return scaled(self.own.scale, self.hidden_size)

    @property
    def made(self) -> Iterator[str]:
        """The statements that make what stands beside the table of tokens."""
        own, size = self.own, number(self.hidden_size)
        if own.width:
            yield f"self.embed_in = nn.Linear({number(own.width)}, {size}, bias=False)"
        if isinstance(own.positions, LearnedPositions):
            rows = number(own.positions.length + own.positions.offset)
            yield f"self.embed_positions = nn.Embedding({rows}, {size})"
        if own.token_types:
            yield f"self.embed_token_types = nn.Embedding({own.token_types}, {size})"
        if own.norm:
            yield f"self.embed_norm = {self.norms.made(own.norm, size)}"

    @property
    def lines(self) -> Iterator[str]:
        """The statements from token vectors x to the first hidden state."""
        own, place = self.own, own_place(self.own)
        if own.width:
            yield "x = self.embed_in(x)"
        if own.token_types:
            yield "if token_type_ids is None:"
            yield "    token_type_ids = torch.zeros_like(input_ids)"
            yield "x = x + self.embed_token_types(token_type_ids)"
        if isinstance(own.positions, LearnedPositions):
            yield f"x = x + self.embed_positions({place})"
        elif own.positions:
            yield f"x = x + {self.sinusoids}({place}).to(x.dtype)"
        if own.norm:
            yield "x = self.embed_norm(x)"

    @property
    def waves(self) -> Waves | None:
        """The function for positions, where they are computed."""
        own = self.own.positions
        return (
            Waves(self.sinusoids, self.hidden_size, own)
            if isinstance(own, SinusoidalPositions)
            else None
        )


def own_place(own: Embedding) -> str:
    """The expression for positions with a vector: padding has that of the first."""
    offset = own.positions.offset if own.positions else 0
    place = "positions.where(positions < NOWHERE, 0)"
    return f"{place} + {offset}" if offset else place


@dataclass(frozen=True)
class Waves:
    """A function of positions: sines and cosines."""

    name: str
    width: int
    own: SinusoidalPositions

    @property
    def pairs(self) -> int:
        """What the exponent is divided by."""
        return self.width // 2 - (1 if self.own.ends else 0)

    @property
    def base(self) -> str:
        """The base of the speeds."""
        return number(self.own.base)


@dataclass(frozen=True)
class PlainVectors:
    """A vector of each token for every layer."""

    own: LayerVectors
    hidden_size: int
    layers: int
    norms: Norms

    @property
    def made(self) -> Iterator[str]:
        """The statements that make their tables and maps."""
        own = self.own
        numbers = f"{self.layers} * {number(own.width)}"
        yield f"self.embed_tokens_per_layer = nn.Embedding({number(own.vocab_size)}, {numbers})"
        if own.projected:
            size = number(self.hidden_size)
            yield f"self.per_layer_projection = nn.Linear({size}, {numbers}, bias=False)"
        if own.norm:
            yield f"self.per_layer_norm = {self.norms.made(own.norm, number(own.width))}"

    @property
    def lines(self) -> Iterator[str]:
        """The statements from the token and x, the first hidden state, to `vectors`."""
        own = self.own
        shape = f"({self.layers}, {number(own.width)})"
        scale = scaled(own.scale, own.width)
        yield f"vectors = self.embed_tokens_per_layer(input_ids).unflatten(2, {shape}){scale}"
        if own.projected:
            factor = (
                scaled(own.projection_scale, self.hidden_size) if own.projection_scale != 1 else ""
            )
            yield f"projected = self.per_layer_projection(x).unflatten(2, {shape}){factor}"
            projected = "self.per_layer_norm(projected)" if own.norm else "projected"
            yield f"vectors = {projected} + vectors"
        if own.sum_scale is not None:
            yield f"vectors = vectors{scaled(own.sum_scale, 2)}  # (B, T, layers, {own.width})"


def scaled(factor: float | None, size: int) -> str:
    """A factor to be appended, a root of `size` as such: ` * 640**0.5`."""
    if factor is None:
        return ""
    for power in ("0.5", "-0.5"):
        if math.isclose(factor, size ** float(power), rel_tol=1e-15):
            return f" * {size}**{power}"
    return f" * {number(factor)}"
