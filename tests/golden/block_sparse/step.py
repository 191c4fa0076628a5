# Built by archspec 0.1.0 from block-sparse.yaml; edit the spec and build again.
"""What every layer needs to know about the tokens at hand."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from .launch import use_kernels
from .rotary import Rotary, rotary


class Step(NamedTuple):
    """B sequences, each with T new tokens after `start` that were read before."""

    start: int
    padding: Tensor | None  # (B, start + T), True for a real token; None when all are
    spans: Tensor | None  # (B, 2, T), where each token's text begins and ends; None with gaps
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
        spans=real_spans(padding, start, tokens, like),
        bounds=text_bounds(padding, like) if start == 0 or tokens == 1 else None,
        rotary=rotary(positions, like.dtype),
    )


def text_spans(texts: Tensor) -> Tensor:
    """The slots where the text of each token begins and ends, (B, T) → (B, 2, T).

    Equal numbers side by side are one text.
    """
    number = F.pad((texts[:, 1:] != texts[:, :-1]).cumsum(dim=1), (1, 0))
    first = torch.searchsorted(number, number, out_int32=True)
    end = torch.searchsorted(number, number, right=True, out_int32=True)
    return torch.stack((first, end), dim=1)


def real_spans(padding: Tensor | None, start: int, tokens: int, like: Tensor) -> Tensor | None:
    """The same for a text beside padding, which counts as a text too, for kernels alone.

    A token that is read after others sees all of its text, behind a gap as well.
    """
    if padding is None or (start > 0 and tokens > 1) or not use_kernels(like):
        return None
    if start == 0:
        return text_spans(padding)
    first = padding.int().argmax(dim=1)
    return torch.stack((first, torch.full_like(first, start + 1)), dim=1)[:, :, None].int()


def text_bounds(padding: Tensor | None, like: Tensor) -> Tensor | None:
    """The slot of each text's first token, and one after its last, (B, 2), for kernels alone."""
    if padding is None or not use_kernels(like):
        return None
    first = padding.int().argmax(dim=1)
    end = padding.shape[1] - padding.flip(1).int().argmax(dim=1)
    return torch.stack((first, end), dim=1).int()
