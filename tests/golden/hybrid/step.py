# Built by archspec 0.1.0 from hybrid.yaml; edit the spec and build again.
"""What every layer needs to know about the tokens at hand."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class Step(NamedTuple):
    """B sequences, each with T new tokens after `start` that were read before."""

    start: int
    padding: Tensor | None  # (B, start + T), True for a real token; None when all are


def make_step(
    start: int,
    tokens: int,
    padding: Tensor | None,
    like: Tensor,
) -> Step:
    """The step for `tokens` new tokens, computed in the type and on the device of `like`."""
    return Step(
        start=start,
        padding=padding,
    )
