"""Kernels that miss a bar of the table, by name, and why each is let through."""

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


EXCEPTIONS = (
    Known(
        ("gemma-4-26b-a4b causal_backward_queries", "gemma-4-e2b causal_backward_queries"),
        "sm_90",
        "spills",
        "heads of 512: programs share the columns of the gradient, and each still sums 256",
    ),
)
