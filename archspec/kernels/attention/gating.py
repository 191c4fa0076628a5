"""A gate at the end of attention's kernels: f(gate) times what a row gives, and its gradients.

Computed where the output is still in registers, it costs one more read and no pass of its own. Its
backward pass needs what was gated: kept where gradients are wanted, and only there. The kernel that
goes over rows makes f(gate) · dout of dout, which the others then read in its place. Kernels are
told which function f is: ACTIVATION.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Gating:
    """One gate for every number that a head gives, or one for the head."""

    per: Literal["element", "head"]

    @property
    def name(self) -> str:
        """In words for a name."""
        return "gated" if self.per == "element" else "gated_heads"

    def place(self, width: int) -> str:
        """Where the gates of a tile of rows stand, or of its heads: laid out as what is gated."""
        return f"own * {width} + place * {width}" if self.per == "element" else "own + place"
