"""How attention's kernels cut their work on each kind of GPU.

Chosen by what compiling ahead of time says (registers, spills, shared memory) and by the sizes
that fast kernels have there; no GPU has timed them yet.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

TARGETS = ("sm_80", "sm_89", "sm_90", "sm_100", "gfx942")
"""The kinds of GPU that a package has tiles for, as `archspec kernels --target` names them.

sm_89 stands for all of NVIDIA's whose blocks share 99 KB at most: sm_86, sm_89, sm_120.
"""


@dataclass(frozen=True)
class Tiles:
    """How a kernel cuts its work: rows of queries, keys, and what a program runs on."""

    rows: int
    keys: int
    warps: int
    stages: int


def tiles(kernel: str, target: str, head_dim: int, value_dim: int, more: str = "") -> Tiles:
    """The tiles of a kernel by the first width in its table that has room for both heads.

    A kernel that does `more` has a table of its own where that takes too many registers.
    """
    widest, tables = max(head_dim, value_dim), _TABLES[target]
    table = tables.get(f"{kernel}_{more}", tables[kernel])
    return table[next((w for w in _WIDTHS if widest <= w), _WIDTHS[-1])]


def decode_tiles(target: str, group: int, width: int) -> Tiles:
    """The tiles for one new token: its heads in a group are the rows."""
    rows = max(16, min(64, 1 << (group - 1).bit_length()))
    small = target == "gfx942"
    keys = 64 if width <= 128 else 32 if width <= 256 or not small else 16
    stages = 2 if small or (target == "sm_89" and width > 256) else 3
    return filled(Tiles(rows, keys, 4, stages), target, rows, keys, width)


def filled(found: Tiles, target: str, rows: int, columns: int, width: int) -> Tiles:
    """The same with no more warps than have work of their own.

    A tile has scores of (`rows`, `columns`), and a sum of (`rows`, `width`). Where a warpgroup
    multiplies, each warp has 16 rows of both. Else Triton gives each 16 rows where the sum has at
    least as many rows as columns, or 8 columns. Warps beyond that repeat what others compute.
    """
    if target not in ("sm_80", "sm_89", "sm_90"):
        return found
    by_rows = rows >= width or (target == "sm_90" and rows >= WARPGROUP)
    most = rows // 16 if by_rows else columns // 8
    return replace(found, warps=min(found.warps, most))


def _tables(**kernels: list[Tiles]) -> dict[str, dict[int, Tiles]]:
    return {name: dict(zip(_WIDTHS, found, strict=True)) for name, found in kernels.items()}


WARPGROUP = 64
"""Rows of a product from which on warps compute it together on sm_90."""

_WIDTHS = (64, 128, 192, 256, 512)
WIDEST = _WIDTHS[-1]
"""No chip has room for tiles of wider heads: attention over those is PyTorch's."""

# Beyond WIDE of kernels.py keys and values have a kernel each; up to there the first has both.
_SM_80 = _tables(
    forward=[
        Tiles(64, 64, 4, 3),
        Tiles(128, 32, 8, 3),
        Tiles(64, 32, 4, 2),
        Tiles(64, 32, 4, 2),
        Tiles(32, 32, 4, 2),
    ],
    backward_queries=[
        Tiles(128, 64, 8, 2),
        Tiles(128, 32, 8, 3),
        Tiles(64, 32, 4, 2),
        Tiles(32, 64, 8, 1),
        Tiles(16, 32, 4, 2),
    ],
    backward_keys=[
        Tiles(32, 128, 8, 2),
        Tiles(64, 32, 8, 2),
        Tiles(64, 32, 8, 2),
        Tiles(64, 32, 8, 2),
        Tiles(32, 16, 4, 2),
    ],
    backward_values=[
        Tiles(64, 128, 8, 2),
        Tiles(64, 64, 8, 2),
        Tiles(64, 64, 8, 2),
        Tiles(64, 32, 8, 2),
        Tiles(32, 16, 4, 2),
    ],
    backward_biases=[
        Tiles(64, 64, 4, 2),
        Tiles(64, 64, 8, 2),
        Tiles(32, 32, 4, 2),
        Tiles(32, 32, 8, 2),
        Tiles(16, 16, 4, 2),
    ],
)
_SM_89 = _SM_80 | {
    "forward": _SM_80["forward"] | {256: Tiles(32, 64, 8, 2), 512: Tiles(32, 32, 4, 1)},
    "backward_queries": _SM_80["backward_queries"] | {512: Tiles(16, 32, 4, 1)},
    "backward_keys": _SM_80["backward_keys"] | {256: Tiles(32, 32, 4, 2), 512: Tiles(32, 16, 4, 1)},
    "backward_values": _SM_80["backward_values"] | {512: Tiles(32, 16, 4, 1)},
}
_SM_90 = _tables(
    forward_related=[
        Tiles(128, 64, 8, 3),
        Tiles(128, 32, 8, 3),
        Tiles(128, 64, 8, 2),
        Tiles(128, 32, 8, 2),
        Tiles(128, 32, 8, 2),
    ],
    backward_queries_related=[
        Tiles(128, 64, 8, 2),
        Tiles(128, 32, 8, 2),
        Tiles(64, 64, 4, 2),
        Tiles(128, 32, 8, 2),
        Tiles(64, 16, 4, 2),
    ],
    backward_queries_gated=[
        Tiles(128, 64, 8, 2),
        Tiles(128, 64, 8, 2),
        Tiles(64, 64, 4, 2),
        Tiles(128, 32, 8, 2),
        Tiles(64, 16, 4, 2),
    ],
    forward=[
        Tiles(128, 128, 8, 2),
        Tiles(128, 64, 8, 3),
        Tiles(128, 64, 8, 2),
        Tiles(128, 32, 8, 2),
        Tiles(128, 32, 8, 2),
    ],
    backward_queries=[
        Tiles(128, 64, 8, 2),
        Tiles(128, 64, 8, 2),
        Tiles(64, 64, 4, 2),
        Tiles(128, 32, 8, 2),
        Tiles(64, 16, 4, 2),
    ],
    backward_keys=[
        Tiles(64, 128, 8, 2),
        Tiles(64, 128, 8, 2),
        Tiles(32, 128, 8, 2),
        Tiles(32, 128, 8, 2),
        Tiles(16, 64, 4, 2),
    ],
    backward_values=[
        Tiles(64, 128, 8, 2),
        Tiles(64, 128, 8, 2),
        Tiles(64, 128, 8, 2),
        Tiles(32, 128, 8, 2),
        Tiles(32, 128, 8, 2),
    ],
    backward_biases=[
        Tiles(64, 64, 4, 2),
        Tiles(64, 64, 4, 2),
        Tiles(64, 64, 8, 2),
        Tiles(64, 64, 8, 1),
        Tiles(32, 32, 8, 1),
    ],
)
_GFX942 = _tables(
    forward=[
        Tiles(128, 64, 4, 1),
        Tiles(128, 64, 4, 1),
        Tiles(64, 32, 4, 1),
        Tiles(64, 32, 4, 1),
        Tiles(32, 32, 4, 1),
    ],
    backward_queries=[
        Tiles(64, 64, 4, 1),
        Tiles(64, 32, 4, 1),
        Tiles(32, 32, 4, 1),
        Tiles(32, 32, 4, 1),
        Tiles(16, 32, 4, 1),
    ],
    backward_keys=[
        Tiles(32, 128, 4, 1),
        Tiles(32, 64, 4, 1),
        Tiles(32, 32, 4, 1),
        Tiles(32, 32, 4, 1),
        Tiles(16, 16, 4, 1),
    ],
    backward_values=[
        Tiles(32, 128, 4, 1),
        Tiles(32, 64, 4, 1),
        Tiles(32, 32, 4, 1),
        Tiles(32, 32, 4, 1),
        Tiles(16, 32, 4, 1),
    ],
    backward_biases=[
        Tiles(64, 64, 4, 1),
        Tiles(32, 32, 4, 1),
        Tiles(32, 32, 4, 1),
        Tiles(32, 32, 4, 1),
        Tiles(16, 16, 4, 1),
    ],
)
# A product there is of a whole program, whatever its warps: rows need not fill them.
_SM_100 = _SM_90 | {
    "forward": _SM_90["forward"] | {256: Tiles(64, 32, 8, 2), 512: Tiles(64, 16, 8, 2)},
    "backward_queries": _SM_90["backward_queries"]
    | {256: Tiles(64, 32, 8, 2), 512: Tiles(64, 16, 8, 2)},
    "backward_queries_gated": _SM_90["backward_queries_gated"]
    | {192: Tiles(64, 64, 8, 2), 256: Tiles(64, 32, 8, 2), 512: Tiles(64, 16, 8, 2)},
    "backward_keys": _SM_90["backward_keys"]
    | {128: Tiles(32, 128, 8, 2), 192: Tiles(32, 64, 8, 2), 512: Tiles(16, 64, 8, 2)},
    "backward_values": _SM_90["backward_values"] | {512: Tiles(32, 64, 8, 2)},
    "forward_related": _SM_90["forward_related"]
    | {256: Tiles(64, 32, 8, 2), 512: Tiles(64, 32, 8, 2)},
    "backward_queries_related": _SM_90["backward_queries_related"]
    | {192: Tiles(64, 64, 8, 2), 256: Tiles(64, 32, 8, 2), 512: Tiles(64, 16, 8, 2)},
}
_TABLES = {"sm_80": _SM_80, "sm_89": _SM_89, "sm_90": _SM_90, "sm_100": _SM_100, "gfx942": _GFX942}
