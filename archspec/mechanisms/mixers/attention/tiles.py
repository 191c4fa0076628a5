"""How attention's kernels cut their work on each kind of GPU.

Chosen by what compiling ahead of time says (registers, spills, shared memory) and by the sizes
that fast kernels have there; no GPU has timed them yet.
"""

from __future__ import annotations

from dataclasses import dataclass

TARGETS = ("sm_80", "sm_90", "sm_100", "gfx942")
"""The kinds of GPU that a package has tiles for, as `archspec kernels --target` names them."""


@dataclass(frozen=True)
class Tiles:
    """How a kernel cuts its work: rows of queries, keys, and what a program runs on."""

    rows: int
    keys: int
    warps: int
    stages: int


def tiles(kernel: str, target: str, head_dim: int, value_dim: int) -> Tiles:
    """The tiles of a kernel by the first width in its table that has room for both heads."""
    table = _TABLES[kernel][target]
    width = next((w for w in table if max(head_dim, value_dim) <= w), max(table))
    return table[width]


def decode_tiles(target: str, group: int, width: int) -> Tiles:
    """The tiles for one new token: its heads in a group are the rows."""
    rows = max(16, min(64, 1 << (group - 1).bit_length()))
    small = target == "gfx942"
    return Tiles(rows, 32 if width > 128 else 64, 4, 2 if small else 3)


_HOPPER = {
    "forward": {
        64: Tiles(128, 128, 8, 2),
        128: Tiles(128, 64, 8, 3),
        192: Tiles(128, 64, 8, 2),
        256: Tiles(64, 64, 8, 2),
        512: Tiles(64, 16, 8, 2),
    },
    "backward_queries": {
        64: Tiles(128, 64, 8, 2),
        128: Tiles(128, 64, 8, 2),
        192: Tiles(64, 64, 4, 2),
        256: Tiles(64, 32, 8, 2),
        512: Tiles(64, 16, 8, 2),
    },
    "backward_keys": {
        64: Tiles(64, 128, 8, 2),
        128: Tiles(32, 128, 8, 2),
        192: Tiles(32, 64, 8, 2),
        256: Tiles(32, 128, 8, 2),
        512: Tiles(16, 64, 8, 2),
    },
    "backward_values": {
        256: Tiles(32, 128, 8, 2),
        512: Tiles(16, 64, 8, 2),
    },
}
_AMD = _HOPPER
_TABLES = {
    kernel: {
        "sm_80": _HOPPER[kernel],
        "sm_90": _HOPPER[kernel],
        "sm_100": _HOPPER[kernel],
        "gfx942": _AMD[kernel],
    }
    for kernel in _HOPPER
}
