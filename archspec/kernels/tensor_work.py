"""How much a compiled kernel multiplies on tensor cores, against what its tiles need.

Warps that have no rows of their own repeat those of others, and nothing else shows it: the numbers
are right, registers and shared memory fit. Triton gives all warps of a chain of products rows, so
a tile with fewer than 16 rows a warp is multiplied twice or more.
"""

from __future__ import annotations

import re

WARPGROUP = 4
"""Warps that issue one wgmma together."""

_SIZES = r"m(\d+)n(\d+)k(\d+)\."
_INSTRUCTION = re.compile(rf"\b(wgmma\.mma_async|mma\.sync)\.\S*?{_SIZES}")
_PRODUCT = re.compile(
    r"\b(?:tt\.dot|ttng\.warp_group_dot)\b.* : \S*?<(?:\d+x)*?(\d+)x(\d+)x[a-z]\w*\b.* \* .*"
    r" -> tensor<(?:\d+x)*?(\d+)x(\d+)x[a-z]"
)


def multiplied(ptx: str, warps: int) -> int:
    """Products of two numbers in all instructions of a text that `warps` warps run each.

    In `ptx` an mma.sync is of one warp, and a wgmma of a warpgroup.
    """
    total = 0
    for name, *sizes in _INSTRUCTION.findall(ptx):
        m, n, k = (int(size) for size in sizes)
        total += m * n * k * (warps // WARPGROUP if name.startswith("wgmma") else warps)
    return total


def needed(ttgir: str) -> int:
    """Products of two numbers in all products of tiles in Triton's text, each counted once."""
    return sum(int(m) * int(k) * int(n) for m, k, _, n in _PRODUCT.findall(ttgir))


def tensor_work(ptx: str, ttgir: str, warps: int) -> float | None:
    """How many times the needed work is done: 1.0 where no warp repeats another's.

    None where nothing is multiplied on tensor cores.
    """
    done, least = multiplied(ptx, warps), needed(ttgir)
    return round(done / least, 3) if done and least else None
