# Built by archspec 0.1.0 from layer-vectors.yaml; edit the spec and build again.
"""What every layer needs to know about the tokens at hand."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from .launch import use_kernels
from .rotary import Rotary, near_rotary, whole_rotary


class Step(NamedTuple):
    """B sequences, each with T new tokens after `start` that were read before."""

    start: int
    texts: Tensor | None  # (B, start + T), a number for each text; None where a row is one
    spans: Tensor | None  # (B, 2, T), where each token's text begins and ends; None with gaps
    shared: dict[str, tuple[Tensor, ...]]  # for later layers, by name
    near_rotary: Rotary  # (1 or B, 1, T, 32) twice
    whole_rotary: Rotary  # (1 or B, 1, T, 64) twice


def make_step(
    start: int,
    tokens: int,
    padding: Tensor | None,
    like: Tensor,
    texts: Tensor | None = None,
) -> Step:
    """The step for `tokens` new tokens, computed in the type and on the device of `like`."""
    if texts is not None and tokens > 1:  # packed, and each is counted from its first token
        spans = text_spans(texts)
        texts = spans[:, 0]  # a number for each
        positions = torch.arange(tokens, device=like.device) - texts
    else:
        texts, spans = padding, real_spans(padding, start, tokens, like)
        if padding is None:
            positions = torch.arange(start, start + tokens, device=like.device)[None]
        else:  # among the real tokens of each text
            positions = (padding.cumsum(dim=1) - 1).clamp(min=0)[:, start:]
    return Step(
        start=start,
        texts=texts,
        spans=spans,
        shared={},
        near_rotary=near_rotary(positions, like.dtype),
        whole_rotary=whole_rotary(positions, like.dtype),
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
