"""Kernels that miss a bar of the table, by name, and why each is let through: none does today."""

from __future__ import annotations

from dataclasses import dataclass

KINDS = (
    *("no binary", "shared memory", "tensor work"),
    *("spills in a loop", "spills", "no wgmma", "no copies"),
)
"""`tensor work`: warps repeat what others compute. `spills`: once for a program, in front of its
loops or behind them."""


@dataclass(frozen=True)
class Known:
    """Kernels by their names in the table, what they miss, and on which target."""

    kernels: tuple[str, ...]
    target: str
    kind: str
    reason: str


EXCEPTIONS: tuple[Known, ...] = ()
