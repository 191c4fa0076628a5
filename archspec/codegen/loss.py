"""What the templates of the loss see: how it cuts the logits, which it never holds at once."""

from __future__ import annotations

from typing import Any

from archspec.codegen.files import File
from archspec.codegen.tiles import PER_WARP, BlockTiles, power_of_two

LOSS_FILES = (
    File(
        "loss.py",
        "templates/package/loss.py.jinja",
        "the loss, without storing the logits",
        "trains",
        operators=True,
    ),
    File(
        "kernels/loss.py",
        "templates/kernels/loss/loss.py.jinja",
        "the loss of a chunk of rows as a Triton kernel",
        "trains",
        ahead="templates/kernels/loss/ahead.jinja",
    ),
)

LOSS_NUMBERS = 1 << 25
"""Logits held at once, in numbers: 128 MiB of float32."""


def loss_context(vocabulary: int, pair: bool) -> dict[str, Any]:
    """How many rows are taken at a time, and the blocks of each: at most 8,192 logits.

    Labels are the tokens themselves; of a `pair` of encoder and decoder they are those after them.
    """
    block = min(8192, max(32, power_of_two(vocabulary)))
    return {
        "asked": "x.flatten(0, 1)" if pair else "x[:, :-1].flatten(0, 1)",
        "answers": "labels.flatten()" if pair else "labels[:, 1:].flatten()",
        "rows": max(16, min(4096, LOSS_NUMBERS // vocabulary)),
        "loss_tiles": BlockTiles(vocabulary, block, max(1, block // PER_WARP)),
    }
