# Built by archspec 0.1.0 from block-sparse.yaml; edit the spec and build again.
"""What every layer needs to know about the tokens at hand."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from .launch import use_kernels
from .rotary import Rotary, rotary


class Step(NamedTuple):
    """B sequences, each with T new tokens after `start` that were read before."""

    start: int
    padding: Tensor | None  # (B, start + T), True for a real token; None when all are
    bounds: Tensor | None  # (B, 2), where each text begins and ends; None where one has gaps
    rotary: Rotary  # (1 or B, 1, T, 32) twice


def make_step(
    start: int,
    tokens: int,
    padding: Tensor | None,
    like: Tensor,
) -> Step:
    """The step for `tokens` new tokens, computed in the type and on the device of `like`."""
    if padding is None:
        positions = torch.arange(start, start + tokens, device=like.device)[None]
    else:  # among the real tokens of each text
        positions = (padding.cumsum(dim=1) - 1).clamp(min=0)[:, start:]
    return Step(
        start=start,
        padding=padding,
        bounds=text_bounds(padding, like) if start == 0 or tokens == 1 else None,
        rotary=rotary(positions, like.dtype),
    )


def text_bounds(padding: Tensor | None, like: Tensor) -> Tensor | None:
    """The slot of each text's first token, and one after its last, (B, 2), for kernels alone."""
    if padding is None or not use_kernels(like):
        return None
    first = padding.int().argmax(dim=1)
    end = padding.shape[1] - padding.flip(1).int().argmax(dim=1)
    return torch.stack((first, end), dim=1).int()
