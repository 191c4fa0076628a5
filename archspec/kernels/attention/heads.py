"""The heads of an attention as its kernels see them, whatever a query sees."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

from archspec.architecture.block_pattern import BlockPattern
from archspec.kernels.attention.block_ranges import decode_bounds, decode_tile
from archspec.kernels.attention.gating import Gating
from archspec.kernels.attention.joins import Capped, Join, Sloped
from archspec.kernels.attention.relative import Related
from archspec.kernels.attention.tiles import Tiles, decode_tiles

SLAB = 256
"""Columns of an output that a program has room for."""

PIECE = 64
"""Columns of a row that are read at once where all are too many."""


@dataclass(frozen=True)
class Part:
    """Columns of a head that are read together: `size`, a power of two, of which `width` exist."""

    first: str
    """Where it begins; nothing where that is at column 0."""

    width: int
    size: int
    suffix: str

    @property
    def masked(self) -> bool:
        """Whether some of its columns do not exist."""
        return self.width < self.size


@dataclass(frozen=True)
class Heads:
    """Counts and widths of heads, and how products of them become scores.

    With `blocks` a token sees some blocks of a text alone, which decoding goes by as well.
    """

    heads: int
    kv_heads: int
    head_dim: int
    value_dim: int
    scale: float
    softcap: float | None
    sinks: bool
    slopes: bool
    relative: int | None = field(default=None, kw_only=True)
    """How many distances have a learned bias, that of none included; where there are such."""

    gate: Gating | None = field(default=None, kw_only=True)
    """What multiplies the output, where kernels do that."""
    blocks: BlockPattern | None = field(default=None, kw_only=True)

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
    def slabs(self) -> int:
        """How many programs share the columns of an output that is too wide for one."""
        return -(-max(self.head_dim, self.value_dim) // SLAB)

    @property
    def key_sums(self) -> tuple[Part, ...]:
        """How a program cuts the sums that are as wide as a key."""
        return self._own(self.head_dim) if self.slabs > 1 else self.key_parts

    @property
    def value_sums(self) -> tuple[Part, ...]:
        """How a program cuts the sums that are as wide as a value."""
        return self._own(self.value_dim) if self.slabs > 1 else self.value_parts

    def _own(self, width: int) -> tuple[Part, ...]:
        there = SLAB if width == self.slabs * SLAB else 0
        return (Part(f"tl.program_id(1) * {SLAB}", there, SLAB, "_own"),)

    def columns(self, *names: str) -> list[tuple[str, Part]]:
        """The columns of what is cut so, each once: the start of a name, and the part."""
        found: dict[str, tuple[str, Part]] = {}
        for name in names:
            letter = "d" if name.startswith("key") else self.e
            for part in getattr(self, name):
                found.setdefault(letter + part.suffix, (letter, part))
        return list(found.values())

    @property
    def e(self) -> str:
        """The name of the columns of values."""
        return "d" if self.value_dim == self.head_dim else "e"

    @property
    def join(self) -> Join:
        """What joins a product, for one new token."""
        return self._join("query_head", "", False)

    def _join(self, query_head: str, place: str, both: bool) -> Join:
        if self.softcap is not None:
            return Capped(self.scale, self.softcap)
        if self.slopes:
            return Sloped(self.to_bits, query_head)
        if self.relative is not None:
            return Related(self.relative, self.to_bits, query_head, place, both)
        return Join()

    @property
    def plain(self) -> bool:
        """Whether a score is a product and nothing else, so that its factor joins the softmax."""
        return not self.join.score()

    def factor(self, zone: str = "") -> float:
        """What the softmax multiplies scores by."""
        return 1.0 if self.join.score(zone) else self.to_bits

    def exponent(self, zone: str = "") -> str:
        """The expression for scores as exponents of two."""
        return "s" if self.join.score(zone) else f"s * {self.to_bits}"

    @property
    def to_bits(self) -> float:
        """What products become scores with, as exponents of two."""
        return self.scale * math.log2(math.e)

    def decode(self, target: str) -> Tiles:
        """The tiles of the kernel for one new token."""
        return self.cut(decode_tiles(target, self.group, max(self.head_dim, self.value_dim)))

    def cut(self, tiles: Tiles) -> Tiles:
        """The same, or fewer keys of a power of two, so that a tile of keys lies in one block."""
        if self.blocks is None:
            return tiles
        power = self.blocks.size & -self.blocks.size
        return replace(tiles, keys=min(tiles.keys, power))

    @property
    def gates(self) -> int:
        """How many a token has."""
        each = self.value_dim if self.gate and self.gate.per == "element" else 1
        return self.heads * each if self.gate else 0

    @property
    def gate_in_pieces(self) -> bool:
        """Whether a row of its gradients is too wide to be had at once beside those of two more."""
        return self.gate is not None and self.value_dim > 128

    @property
    def piece(self) -> int:
        """Columns of such a piece."""
        return PIECE

    @property
    def decode_bounds(self) -> list[str]:
        """Which blocks the kernel for one new token goes over."""
        assert self.blocks
        return decode_bounds(self.blocks, self.kv_heads)

    @property
    def decode_tile(self) -> list[str]:
        """Where a tile of their keys lies."""
        assert self.blocks
        return decode_tile(self.blocks)

    @property
    def pattern(self) -> str:
        """The blocks as a package names them."""
        own = self.blocks
        if own is None:
            return "None"
        return f"Blocks({own.size}, {own.local}, {own.first}, {own.stride}, {own.shift})"

    @property
    def decode_template(self) -> str:
        """The template of the kernel for one new token."""
        return "decode_blocks" if self.blocks else "decode_parts"


def parts(width: int) -> tuple[Part, ...]:
    """One power of two or two of them, so that as little as possible is read beyond `width`.

    A matrix unit takes 16 columns at least: 192 is 128 + 64, 80 is 64 + 16, 12 is 16 with a mask.
    """
    first = max(16, 1 << (width.bit_length() - 1))
    rest = max(16, 1 << (width - first - 1).bit_length()) if width > first else 0
    if rest == 0 or rest == first:
        return (Part("", width, first + rest, ""),)
    return (
        Part("", first, first, f"_{first}"),
        Part(str(first), width - first, rest, f"_{rest}"),
    )
