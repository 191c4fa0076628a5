"""What the templates of multi-token prediction see."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class MtpView:
    """The modules that predict tokens beyond the next one."""

    loss_weight: float
    norm: str
    layer: str
    """The class of their layers."""

    reads_depth: bool
    """It is made with its index, counted on from the stack's."""

    made: str
    """The expressions for all modules."""


def mtp_view(
    loss_weight: float, norm: str, layer: str, reads_depth: bool, first: int, count: int
) -> MtpView:
    """`count` modules behind `first` layers."""
    made = f"MtpModule({first} + i) for i in" if reads_depth else "MtpModule() for _ in"
    return MtpView(loss_weight, norm, layer, reads_depth, f"{made} range({count})")
