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
        self.bias = nn.Parameter(torch.empty(channels)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        bound = self.weight.shape[2] ** -0.5
        nn.init.uniform_(self.weight, -bound, bound)
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def forward(self, x: Tensor, step: Step, tail: Tensor | None) -> Tensor:
        """(B, T, C) → (B, T, C).

        `tail` (B, width − 1, C) holds the tokens before these, zero before the text; the last
        ones read take their place.
        """
        back = self.weight.shape[2] - 1
        before = x.new_zeros(x.shape[0], back, x.shape[2]) if tail is None else tail
        whole = torch.cat((before, x), dim=1)  # (B, width − 1 + T, C)
        if tail is not None:
            step.keep(tail, last(whole, step.real, back), x.shape[1])
        if x.shape[1] == 1:  # a convolution would cost more than it computes
            y = (whole * self.weight[:, 0].mT).sum(dim=1, keepdim=True)
            return y if self.bias is None else y + self.bias
        # As an image of one row, whose pixels lie channel by channel as here: many times faster.
        image, weight = whole.mT[:, :, None], self.weight[:, :, None]
        return F.conv2d(image, weight, self.bias, groups=x.shape[2])[:, :, 0].mT


def last(whole: Tensor, real: Tensor | None, back: int) -> Tensor:
    """The last `back` tokens of (B, back + T, C), or those in front of any padding behind them."""
    if real is None:
        return whole[:, whole.shape[1] - back :]
    index = real.sum(dim=1)[:, None] + torch.arange(back, device=whole.device)  # (B, back)
    return whole.gather(1, index[:, :, None].expand(-1, -1, whole.shape[2]))
