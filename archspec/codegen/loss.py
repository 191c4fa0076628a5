"""What the templates of the loss see: how it cuts the logits, which it never holds at once."""

from __future__ import annotations

from typing import Any

from archspec.codegen.files import File

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


def loss_context(vocabulary: int) -> dict[str, Any]:
    """How many rows are taken at a time."""
    return {
        "rows": max(16, min(4096, LOSS_NUMBERS // vocabulary)),
    }
