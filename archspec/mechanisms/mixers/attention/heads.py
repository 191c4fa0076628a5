"""The heads of an attention as its kernels see them, whatever a query sees."""

from __future__ import annotations

import math
from dataclasses import dataclass

from archspec.mechanisms.mixers.attention.tiles import Tiles, decode_tiles


@dataclass(frozen=True)
class Part:
    """Columns of a head that are read together: `size`, a power of two, of which `width` exist."""

    first: int
    width: int
    size: int
    suffix: str

    @property
    def masked(self) -> bool:
        """Whether some of its columns do not exist."""
        return self.width < self.size


@dataclass(frozen=True)
class Heads:
    """Counts and widths of heads, and how products of them become scores."""

    heads: int
    kv_heads: int
    head_dim: int
    value_dim: int
    scale: float
    softcap: float | None
    sinks: bool
    slopes: bool

    @property
    def group(self) -> int:
        """Query heads that share a key-value head."""
        return self.heads // self.kv_heads

    @property
    def key_parts(self) -> tuple[Part, ...]:
        """How a query or key is cut."""
        return parts(self.head_dim)

    @property
    def value_parts(self) -> tuple[Part, ...]:
        """How a value is cut."""
        return parts(self.value_dim)

    @property
    def e(self) -> str:
        """The name of the columns of values."""
        return "d" if self.value_dim == self.head_dim else "e"

    @property
    def plain(self) -> bool:
        """Whether a score is a product and nothing else, so that its factor joins the softmax."""
        return self.softcap is None and not self.slopes

    @property
    def to_bits(self) -> float:
        """What products become scores with, as exponents of two."""
        return self.scale * math.log2(math.e)

    def decode(self, target: str) -> Tiles:
        """The tiles of the kernel for one new token."""
        return decode_tiles(target, self.group, max(self.head_dim, self.value_dim))


def parts(width: int) -> tuple[Part, ...]:
    """One power of two or two of them, so that as little as possible is read beyond `width`.

    A matrix unit takes 16 columns at least: 192 is 128 + 64, 80 is 64 + 16, 12 is 16 with a mask.
    """
    first = max(16, 1 << (width.bit_length() - 1))
    rest = max(16, 1 << (width - first - 1).bit_length()) if width > first else 0
    if rest == 0 or rest == first:
        return (Part(0, width, first + rest, ""),)
    return (
        Part(0, first, first, f"_{first}"),
        Part(first, width - first, rest, f"_{rest}"),
    )
