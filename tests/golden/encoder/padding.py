# Built by archspec 0.1.0 from encoder.yaml; edit the spec and build again.
"""Padding is taken out in front of the layers and put back behind them.

The real tokens of a row are moved to its front, so that what follows sees each text as if it were
alone, wherever padding lay: behind a text it is seen by no token that looks back.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Front(NamedTuple):
    """How the tokens of B rows were moved, the real ones of each to its front."""

    order: Tensor  # (B, T), where each was before
    real: Tensor  # (B, T), True for as many of each row as are real

    def move(self, x: Tensor) -> Tensor:
        """(B, T, …) in this order."""
        return placed(x, self.order)

    def move_all(self, *given: Tensor | None) -> list[Tensor | None]:
        """The same of several, where they are given."""
        return [None if x is None else self.move(x) for x in given]

    def back(self, x: Tensor) -> Tensor:
        """(B, T, …), each token where it was before."""
        return placed(x, self.order.argsort(dim=1))


def placed(x: Tensor, order: Tensor) -> Tensor:
    """The tokens of (B, T, …) at the places (B, T)."""
    return x.gather(1, order.view(*order.shape, *[1] * (x.ndim - 2)).expand_as(x))


def front(mask: Tensor, size: tuple[int, ...]) -> Front:
    """How to move the tokens of (B, T) = `size` that `mask` says are real, 1 or True there.

    Raises:
        ValueError: The mask has another size, or values beside 0 and 1. To see its values waits
            for a GPU, so those of a boolean mask are not looked at, nor any in a compiled model.
    """
    if mask.shape != size:
        raise ValueError(f"the mask is {tuple(mask.shape)}, not {tuple(size)} as the tokens are")
    if mask.dtype != torch.bool and not (torch.compiler.is_compiling() or mask.is_meta):
        odd = mask[(mask != 0) & (mask != 1)]
        if odd.numel() or (mask.is_floating_point() and not mask.any()):
            found = f"{odd[0].item():g}" if odd.numel() else "0 alone"
            raise ValueError(
                f"the mask holds {found}: it is 1 for a real token and 0 for padding,"
                " and is not added to scores"
            )
    return in_front(mask)


def in_front(mask: Tensor) -> Front:
    """The same of a mask that was looked at before."""
    hidden = ~mask.bool()
    order = hidden.long().argsort(dim=1, stable=True)
    return Front(order, ~hidden.gather(1, order))
