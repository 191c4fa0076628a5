"""A shape of attention that tests draw: what its kernels are made for, and what a call brings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from archspec.architecture.block_pattern import BlockPattern
from archspec.kernels.attention.gating import Gating
from archspec.kernels.attention.view import NARROW, KernelView


@dataclass
class Shape:
    """Counts and widths of heads, what a query sees, and what joins a score."""

    heads: int
    kv_heads: int
    head_dim: int
    value_dim: int = 0
    scale: float = 0.0
    causal: bool = True
    window: int | None = None
    chunk: int | None = None
    softcap: float | None = None
    sinks: bool = False
    slopes: bool = False
    relative: int | None = None
    gate: Any = None
    prefix: bool = False
    decodes: bool = True
    blocks: Any = None

    def __post_init__(self) -> None:
        self.value_dim = self.value_dim or self.head_dim
        self.scale = self.scale or self.head_dim**-0.5
        if self.blocks:
            self.blocks = BlockPattern(**self.blocks)

    @property
    def group(self) -> int:
        return self.heads // self.kv_heads

    @property
    def kernel(self) -> KernelView:
        """Its kernels, which are told its numbers."""
        own = self.blocks
        reach = self.window or self.chunk or (own.reach if own else None)
        return KernelView(
            kind="attended",
            head_dim=self.head_dim,
            value_dim=self.value_dim,
            causal=self.causal,
            window=self.window is not None,
            chunk=self.chunk is not None,
            softcap=self.softcap is not None,
            sinks=self.sinks,
            slopes=self.slopes,
            relative=self.relative is not None,
            gate=Gating(self.gate[0]) if self.gate else None,
            prefix=self.prefix,
            narrow=reach is not None and reach <= NARROW,
            decodes=self.decodes,
            blocks=own is not None,
            group=self.group,
            block=own.size & -own.size if own else 1 << 20,
        )

    def numbers(self, *without: str) -> dict[str, Any]:
        """What a call brings, by name."""
        own = self.blocks
        found: dict[str, Any] = {"window": self.window, "chunk": self.chunk}
        if own:
            found["blocks"] = [own.size, own.local, own.first, own.stride or 1 << 30, own.shift]
        found |= {"scale": self.scale, "softcap": self.softcap}
        found |= {"activation": self.gate[1] if self.gate else None}
        return {n: x for n, x in found.items() if x is not None and n not in without}
