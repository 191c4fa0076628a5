"""The heads of an attention as its kernels see them, whatever a query sees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from archspec.kernels.attention.block_ranges import BLOCKS, decode_bounds, decode_tile
from archspec.kernels.attention.gating import Gating
from archspec.kernels.attention.joins import TO_BITS, Capped, Join, Sloped
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
    """Widths of heads, and what makes scores of their products.

    Numbers are arguments of kernels, HEADS, GROUP, SCALE and CAP, and BLOCK to SHIFT where a token
    sees some blocks of a text alone: one binary for each value, and one text for all.
    """

    head_dim: int
    value_dim: int
    softcap: bool
    sinks: bool
    slopes: bool
    relative: bool = field(default=False, kw_only=True)
    """Whether a distance has a learned bias."""

    gate: Gating | None = field(default=None, kw_only=True)
    """What multiplies the output, where kernels do that."""

    blocks: bool = field(default=False, kw_only=True)
    group: int = field(default=1, kw_only=True, compare=False)
    """How many query heads share a key-value head at most."""

    block: int = field(default=1 << 20, kw_only=True, compare=False)
    """The largest power of two that divides every block, where there are blocks."""

    @property
    def grouped(self) -> bool:
        """Whether its kernels are for query heads that share key-value heads: for one token all."""
        return True

    @property
    def members(self) -> str:
        """The expression for how many heads share a key-value head, as a factor behind others."""
        return " * GROUP" if self.grouped else ""

    @property
    def kv_heads(self) -> str:
        """The expression for the count of key-value heads."""
        return "(HEADS // GROUP)" if self.grouped else "HEADS"

    @property
    def constants(self) -> list[str]:
        """The names of the numbers that a kernel is compiled for."""
        found = ["HEADS", *["GROUP"] * self.grouped, "SCALE", *["CAP"] * self.softcap]
        return found + (list(BLOCKS) if self.blocks else [])

    @property
    def numbers(self) -> list[str]:
        """These as parameters, in lines."""
        return parameters(self.constants)

    @property
    def features(self) -> list[str]:
        """What tells it from plain heads, in words for a name."""
        own = {"capped": self.softcap, "sink": self.sinks, "alibi": self.slopes}
        own |= {"relative": self.relative, "blocks": self.blocks}
        found = [name for name, there in own.items() if there]
        return found + ([self.gate.name] if self.gate else [])

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
        if self.softcap:
            return Capped()
        if self.slopes:
            return Sloped(query_head)
        return Related(query_head, place, both) if self.relative else Join()

    def factor(self, zone: str = "") -> str:
        """What the softmax multiplies scores by."""
        return "1.0" if self.join.score(zone) else TO_BITS

    def exponent(self, zone: str = "") -> str:
        """The expression for scores as exponents of two."""
        return "s" if self.join.score(zone) else f"s * ({TO_BITS})"

    def decode(self, target: str) -> Tiles:
        """The tiles of the kernel for one new token."""
        return self.cut(decode_tiles(target, self.group, max(self.head_dim, self.value_dim)))

    def cut(self, tiles: Tiles) -> Tiles:
        """The same, or fewer keys of a power of two, so that a tile of keys lies in one block."""
        return replace(tiles, keys=min(tiles.keys, self.block)) if self.blocks else tiles

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
        return decode_bounds(self.kv_heads)

    @property
    def decode_tile(self) -> list[str]:
        """Where a tile of their keys lies."""
        return decode_tile()

    @property
    def decode_template(self) -> str:
        """The template of the kernel for one new token."""
        return "decode_blocks" if self.blocks else "decode_parts"


def parameters(names: Sequence[str]) -> list[str]:
    """Lines of parameters that a kernel is compiled for."""
    typed = [f"{name}: tl.constexpr," for name in names]
    return [" ".join(typed[first : first + 4]) for first in range(0, len(typed), 4)]


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
