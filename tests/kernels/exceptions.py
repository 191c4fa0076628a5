"""Kernels that miss a bar of the table, by name, and why each is let through."""

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


EXCEPTIONS: tuple[Known, ...] = (
    Known(
        tuple(
            f"{spec} causal_backward_{of}"
            for spec in ("gemma-4-26b-a4b", "gemma-4-e2b")
            for of in ("queries", "keys")
        ),
        "sm_90",
        "spills in a loop",
        "heads of 512: what has room and spills nothing does 1.8 times the work; this has 23 to 32"
        " instructions of some 3,600 for what is spilled",
    ),
    Known(
        ("nemotron-3-nano-30b-a3b route_backward",),
        "sm_90",
        "spills",
        "8 bytes once for a program that has no loop, of 128 experts whose logits are float32",
    ),
    Known(
        ("gemma-4-26b-a4b sliding_forward",),
        "sm_90",
        "spills",
        "16 bytes once for a program; with a third stage there are none here and 8 in two others",
    ),
)
