"""How kernels cut their work: sizes that are chosen here, once, and stand in the package."""

from __future__ import annotations

from dataclasses import dataclass

PER_WARP = 512
"""Numbers of a tile for each warp: 16 for each of its threads."""


@dataclass(frozen=True)
class RowTiles:
    """How a program takes rows of `width` numbers: `rows` of `columns` at once."""

    width: int
    rows: int
    columns: int
    warps: int


def row_tiles(width: int) -> RowTiles:
    """Whole rows: one of them from 2,048 numbers on, several of narrower ones."""
    columns = power_of_two(width)
    rows = max(1, 4 * PER_WARP // columns)
    return RowTiles(width, rows, columns, min(16, max(4, columns // PER_WARP)))


@dataclass(frozen=True)
class BlockTiles:
    """How a row of `width` numbers is cut into blocks, each a program's."""

    width: int
    block: int
    warps: int


def block_tiles(width: int) -> BlockTiles:
    """Blocks of at most 1,024 numbers, 8 for each thread: one load of 16 bytes in bfloat16."""
    block = min(1024, max(32, power_of_two(width)))
    return BlockTiles(width, block, max(1, block // 256))


def power_of_two(count: int) -> int:
    """The least power of two that is not below `count`."""
    return 1 << (count - 1).bit_length()
