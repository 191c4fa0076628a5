"""A gate at the end of attention's kernels: f(gate) times what a row gives, and its gradients.

Computed where the output is still in registers, it costs one more read and no pass of its own. Its
backward pass needs what was gated: kept where gradients are wanted, and only there. The kernel that
goes over rows makes f(gate) · dout of dout, which the others then read in its place.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from archspec.mechanisms.mixers.attention.fields import GATES


@dataclass(frozen=True)
class Gating:
    """One gate for every number that a head gives, or one for the head."""

    per: Literal["element", "head"]
    activation: Literal["sigmoid", "softplus"]

    @property
    def opened(self) -> str:
        """The expression for f(gate)."""
        return f"{self.activation}(gate)"

    @property
    def slope(self) -> str:
        """The expression for f'(gate), where `opened` is f(gate)."""
        return "opened * (1.0 - opened)" if self.activation == "sigmoid" else "sigmoid(gate)"

    @property
    def in_torch(self) -> str:
        """The function f as PyTorch has it."""
        return GATES[self.activation]

    @property
    def in_selftest(self) -> str:
        """The same by its whole name."""
        return self.in_torch.replace("F.", "torch.nn.functional.")

    def place(self, width: int) -> str:
        """Where the gates of a tile of rows stand, or of its heads: laid out as what is gated."""
        return f"own * {width} + place * {width}" if self.per == "element" else "own + place"
