# Built by archspec 0.1.0 from block-sparse.yaml; edit the spec and build again.
"""What every layer needs to know about the tokens at hand."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from .rotary import Rotary, rotary


class Step(NamedTuple):
    """B rows of T new tokens, for texts of which `start` were read before, or fewer."""

    start: int
    starts: Tensor | None  # (B,), how many of each text; None where all have `start`
    ends: Tensor | None  # (B,), the same with the new ones; None where all have as many
    real: Tensor | None  # (B, T), True for real tokens, the first of each row; None when all are
    rotary: Rotary  # (1 or B, 1, T, 32) twice


def make_step(
    start: int,
    tokens: int,
    real: Tensor | None,
    like: Tensor,
    starts: Tensor | None = None,
    position_ids: Tensor | None = None,
) -> Step:
    """The step for `tokens` new tokens, computed in the type and on the device of `like`."""
    ends = None
    if starts is not None:
        ends = starts + (tokens if real is None else real.sum(dim=1))
    elif real is not None:
        ends = real.sum(dim=1) + start
    positions = places(start, starts, tokens, like.device)
    if position_ids is not None:
        positions = position_ids
    return Step(
        start=start,
        starts=starts,
        ends=ends,
        real=real,
        rotary=rotary(positions, like.dtype),
    )


def places(start: int, starts: Tensor | None, tokens: int, device: torch.device) -> Tensor:
    """Where new tokens stand in their texts, (1, T), or (B, T) where these have `starts`."""
    if starts is None:
        return torch.arange(start, start + tokens, device=device)[None]
    return starts[:, None] + torch.arange(tokens, device=device)
