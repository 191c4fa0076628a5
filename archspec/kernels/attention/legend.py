"""What the kernels of only some packages have to explain."""

from __future__ import annotations

import textwrap

from archspec.kernels.attention.view import KernelView

BLOCKS = [
    "BLOCK, LOCAL, FIRST, STRIDE, SHIFT",
    "         keys of a block, and how many blocks a row sees: its last, those at the start, one",
    "         of so many, which stand so many earlier for each key-value head",
    "stripe   the first block of a stripe behind those at the start; all later blocks see it",
    "border   the first block that is local to a row of the tile; `far`, how many are seen before",
    "number   of a key, counted over the blocks that are seen alone",
    "always   whether all later rows see a block; `until`, one after the last that sees a key",
    "older, newer",
    "         the blocks of the first and the last key of a tile; with _end, where rows that see",
    "         them end",
]
"""What is to be explained where a token sees some blocks of a text alone."""


def legend(kernels: list[KernelView]) -> list[str]:
    """What only some packages have to explain."""
    lines = _constants(kernels)
    if any(not kernel.real_rows for kernel in kernels):
        lines += [
            "bounds   (B, 2, T), None where a row is one text: the slots where the text of each",
            "         token opens and where it closes; padding is a text of its own",
        ]
    bounded = [kernel for kernel in kernels if kernel.real_rows]
    if bounded:
        slots = "the slot where a text opens, and the one where it closes"
        beside = (
            "         and (B, 2) where it sees every key, or blocks: those of the one real text"
        )
        lines += [
            beside
            if len(bounded) < len(kernels)
            else f"bounds   (B, 2), None without padding: {slots}"
        ]
    if any(len(kernel.key_parts + kernel.value_parts) > 2 for kernel in kernels):
        lines += ["x_64     the part of x with so many columns, where no power of two is as wide"]
    if any(kernel.slabs > 1 for kernel in kernels):
        lines += ["x_own    the columns of x that a program sums, where x is too wide for one"]
    if any(kernel.chunk for kernel in kernels):
        lines += ["phase    how far into its chunk the first key stands"]
    if any(kernel.related for kernel in kernels):
        lines += [
            "furthest",
            "         the distance from which on all have one bias: `behind` for keys so far back,",
            "         `ahead` for keys so far ahead; every bias is counted from `behind`",
            "biases   where those of the head of a row stand, that of no distance first",
        ]
    if any(kernel.gate for kernel in kernels):
        lines += [
            "gate     (B, T, H · E) or (B, T, H): `opened`, f(gate), multiplies the output",
            "plain    the output before that",
        ]
    if any(kernel.blocks for kernel in kernels):
        lines += BLOCKS
    if any(kernel.prefix for kernel in kernels):
        lines += [
            "prefix   so many tokens at the start of a text see each other both ways",
            "reach    one after those of a row's text",
        ]
    return lines


def _constants(kernels: list[KernelView]) -> list[str]:
    """The numbers of a call that a kernel is compiled for."""
    grouped = any(kernel.grouped for kernel in kernels)
    parts = ["HEADS, query heads" + (", of which GROUP share keys" if grouped else "")]
    parts.append("SCALE, of products")
    parts += ["WINDOW, tokens that a row sees, its own included"] * any(k.window for k in kernels)
    parts += ["CHUNK, tokens of a chunk"] * any(k.chunk for k in kernels)
    parts += ["CAP, that of scores"] * any(k.softcap for k in kernels)
    return textwrap.wrap("; ".join(parts), 98, subsequent_indent=" " * 9)
