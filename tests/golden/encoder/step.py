# Built by archspec 0.1.0 from encoder.yaml; edit the spec and build again.
"""What every layer needs to know about the tokens at hand."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from .kernels import use_kernels


class Step(NamedTuple):
    """B rows of T new tokens, for texts of which `start` were read before, or fewer."""

    start: int
    real: Tensor | None  # (B, T), True for real tokens, the first of each row; None when all are
    bounds: Tensor | None  # (B, 2), where each text begins and ends; None without padding
    positions: Tensor  # (1 or B, T)


def make_step(
    start: int,
    tokens: int,
    real: Tensor | None,
    like: Tensor,
    position_ids: Tensor | None = None,
) -> Step:
    """The step for `tokens` new tokens, computed in the type and on the device of `like`."""
    positions = places(start, None, tokens, like.device)
    if position_ids is not None:
        positions = position_ids
    return Step(
        start=start,
        real=real,
        bounds=text_bounds(real, like),
        positions=positions,
    )


def places(start: int, starts: Tensor | None, tokens: int, device: torch.device) -> Tensor:
    """Where new tokens stand in their texts, (1, T), or (B, T) where these have `starts`."""
    if starts is None:
        return torch.arange(start, start + tokens, device=device)[None]
    return starts[:, None] + torch.arange(tokens, device=device)


def text_bounds(real: Tensor | None, like: Tensor) -> Tensor | None:
    """The place of each text's first token, and one after its last, (B, 2), for kernels alone."""
    if real is None or not use_kernels(like):
        return None
    return F.pad(real.sum(dim=1)[:, None], (1, 0)).int()
