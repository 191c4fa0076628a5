# Built by archspec 0.1.0 from layer-vectors.yaml; edit the spec and build again.
"""What every layer needs to know about the tokens at hand."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from .rotary import Rotary, near_rotary, whole_rotary


class Step(NamedTuple):
    """B rows of T new tokens, for texts of which `start` were read before, or fewer."""

    start: int
    starts: Tensor | None  # (B,), how many of each text; None where all have `start`
    ends: Tensor | None  # (B,), the same with the new ones; None where all have as many
    real: Tensor | None  # (B, T), True for real tokens, the first of each row; None when all are
    writes: list[tuple[Tensor, Tensor]]  # what is kept, and what it becomes at the end
    opens: Tensor | None  # (B, T), the place where each token's text opens; None where a row is one
    spans: Tensor | None  # (B, 2, T), the places where each token's text begins and ends
    shared: dict[str, tuple[Tensor, ...]]  # for later layers, by name
    near_rotary: Rotary  # (1 or B, 1, T, 32) twice
    whole_rotary: Rotary  # (1 or B, 1, T, 64) twice

    def settle(self) -> None:
        """Write what is kept, once nothing can fail: a call that did left all as it was."""
        for kept, new in self.writes:
            kept.copy_(new)


def make_step(
    start: int,
    tokens: int,
    real: Tensor | None,
    like: Tensor,
    starts: Tensor | None = None,
    texts: Tensor | None = None,
    position_ids: Tensor | None = None,
) -> Step:
    """The step for `tokens` new tokens, computed in the type and on the device of `like`."""
    ends = None
    if starts is not None:
        ends = starts + (tokens if real is None else real.sum(dim=1))
    elif real is not None:
        ends = real.sum(dim=1) + start
    if texts is not None and tokens > 1:  # packed, and each is counted from its first token
        spans = text_spans(texts)
        opens = spans[:, 0]
        positions = torch.arange(tokens, device=like.device) - opens
    else:
        opens = spans = None
        positions = places(start, starts, tokens, like.device)
    if position_ids is not None:
        positions = position_ids
    return Step(
        start=start,
        starts=starts,
        ends=ends,
        real=real,
        writes=[],
        opens=opens,
        spans=spans,
        shared={},
        near_rotary=near_rotary(positions, like.dtype),
        whole_rotary=whole_rotary(positions, like.dtype),
    )


def places(start: int, starts: Tensor | None, tokens: int, device: torch.device) -> Tensor:
    """Where new tokens stand in their texts, (1, T), or (B, T) where these have `starts`."""
    if starts is None:
        return torch.arange(start, start + tokens, device=device)[None]
    return starts[:, None] + torch.arange(tokens, device=device)


def text_spans(texts: Tensor) -> Tensor:
    """The places where the text of each token begins and ends, (B, T) → (B, 2, T).

    Equal numbers side by side are one text.
    """
    number = F.pad((texts[:, 1:] != texts[:, :-1]).cumsum(dim=1), (1, 0))
    first = torch.searchsorted(number, number, out_int32=True)
    end = torch.searchsorted(number, number, right=True, out_int32=True)
    return torch.stack((first, end), dim=1)
