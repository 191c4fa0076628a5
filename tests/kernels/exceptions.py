"""Kernels that miss a bar of the table, by name, and why each is let through: none does today."""

from __future__ import annotations

from dataclasses import dataclass

KINDS = ("no binary", "shared memory", "spills", "no wgmma", "no copies")


@dataclass(frozen=True)
class Known:
    """Kernels by their names in the table, what they miss, and on which target."""

    kernels: tuple[str, ...]
    target: str
    kind: str
    reason: str


EXCEPTIONS: tuple[Known, ...] = ()
