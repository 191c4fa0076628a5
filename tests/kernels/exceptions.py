"""Kernels that miss a bar of the table, and why each is let through."""

from __future__ import annotations

from dataclasses import dataclass

KINDS = ("no binary", "shared memory", "spills", "no wgmma", "no copies")


@dataclass(frozen=True)
class Known:
    """Kernels whose name in the table matches `kernel` whole, on some targets."""

    kernel: str
    targets: tuple[str, ...]
    kind: str
    reason: str


EXCEPTIONS: tuple[Known, ...] = ()
