# Built by archspec 0.1.0 from hybrid.yaml; edit the spec and build again.
"""Short convolutions over time, each channel by itself."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .step import Step


class ShortConv(nn.Module):
    """y_t = Σ_j weight_j · x_{t − width + 1 + j} (+ bias): each channel over its last tokens."""

    def __init__(self, channels: int, width: int, bias: bool):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(channels, 1, width))
        self.bias = nn.Parameter(torch.zeros(channels)) if bias else None
        nn.init.uniform_(self.weight, -(width**-0.5), width**-0.5)

    def forward(self, x: Tensor, step: Step, tail: Tensor | None) -> Tensor:
        """(B, T, C) → (B, T, C).

        `tail` (B, width − 1, C) holds the real tokens before these, zero before the text; it is
        moved on to the last ones read.
        """
        back, order = self.weight.shape[2] - 1, None
        if step.padding is not None:  # real tokens first, so that no padding stands between them
            hidden = ~step.padding[:, step.start :]
            order = hidden.long().argsort(dim=1, stable=True)[:, :, None].expand_as(x)
            x = x.masked_fill(hidden[:, :, None], 0.0).gather(1, order)
        before = x.new_zeros(x.shape[0], back, x.shape[2]) if tail is None else tail
        whole = torch.cat((before, x), dim=1)  # (B, width − 1 + T, C)
        if tail is not None:
            tail.copy_(
                whole[:, whole.shape[1] - back :] if order is None else last(whole, step, back)
            )
        if x.shape[1] == 1:  # a convolution would cost more than it computes
            y = (whole * self.weight[:, 0].mT).sum(dim=1, keepdim=True)
            return y if self.bias is None else y + self.bias
        # As an image of one row, whose pixels lie channel by channel as here: many times faster.
        image, weight = whole.mT[:, :, None], self.weight[:, :, None]
        y = F.conv2d(image, weight, self.bias, groups=x.shape[2])[:, :, 0].mT
        return y if order is None else torch.empty_like(y).scatter(1, order, y)


def last(whole: Tensor, step: Step, back: int) -> Tensor:
    """The `back` tokens before the padding at the end of (B, S, C)."""
    assert step.padding is not None
    real = step.padding[:, step.start :].sum(dim=1)
    index = real[:, None] + torch.arange(back, device=whole.device)  # (B, back)
    return whole.gather(1, index[:, :, None].expand(-1, -1, whole.shape[2]))
