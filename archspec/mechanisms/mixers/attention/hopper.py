"""What the template of attention's kernels for Hopper GPUs sees, beside the portable ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from archspec.codegen.site import SharedFile
from archspec.mechanisms.mixers.attention.kernels import (
    Computing,
    KernelView,
    Part,
    kernel_names,
)
from archspec.mechanisms.mixers.attention.ranges import Ranges, key_ranges

HOPPER_KERNELS = SharedFile(
    "attention_hopper_kernels.py",
    "templates/kernels/attention_hopper_kernels.py.jinja",
    "softmax attention as Gluon kernels, for sm_90 alone",
    needed="hopper",
    kernels=True,
)

WARPGROUP = 64
"""Rows that four warps have in hand, as many as their matrix instruction takes."""


@dataclass(frozen=True)
class Ring:
    """How a program cuts its work: warpgroups with 64 rows each, keys of a tile, tiles at once."""

    warpgroups: int
    keys: int
    stages: int
    registers: int
    """Of a thread that computes; one that only copies has 24."""

    @property
    def rows(self) -> int:
        """Rows of a program."""
        return WARPGROUP * self.warpgroups

    @property
    def warps(self) -> str:
        """Warps of each worker after the first: the other warpgroups, keys, values."""
        return str([4] * (self.warpgroups - 1) + [1, 1])

    @property
    def worker_registers(self) -> str:
        """The registers of their threads."""
        return str([self.registers] * (self.warpgroups - 1) + [24, 24])


@dataclass(frozen=True)
class HopperView:
    """The kernel for one shape of attention."""

    kernel: KernelView

    @property
    def ring(self) -> Ring:
        """How a program cuts its work."""
        return _RINGS[_class(self.kernel)]

    @property
    def parts(self) -> list[Part]:
        """The sorts of columns of its tiles, each once."""
        return list(dict.fromkeys((*self.kernel.key_parts, *self.kernel.value_parts)))

    @property
    def bounds(self) -> list[str]:
        """The statements that say which tiles there are, for a program."""
        lines = [line for line in self._lines if not line.startswith(_OF_ROWS)]
        begin = self._ranges.begin
        highest = "highest" if self.kernel.causal else "(keys - 1)"
        lines.append(f"newest = {highest} // KEYS * KEYS")
        lines += [
            f"{name} = (newest - {begin}) // KEYS + 1  # {why}"
            for name, (begin, why) in _COUNTS.items()
            if name in self.counted
        ]
        count = f"(newest - {begin}) // KEYS" if begin != "0" else "newest // KEYS"
        lines.append(f"tiles = {count} + 1")
        return [line.replace("tl.", "gl.") for line in lines]

    @property
    def counted(self) -> list[str]:
        """The names of counts of tiles that part those with a mask from whole ones."""
        loops = [loop.begin for loop in self._ranges.loops if self.kernel.causal]
        return [name for name, (begin, _) in _COUNTS.items() if begin in loops]

    @property
    def counts(self) -> str:
        """The names of what the bounds say, as arguments."""
        return ", ".join(["newest", *self.counted, "tiles"])

    @property
    def masked(self) -> str:
        """Which tiles after the first have a mask, that one having it always: "" for none or all."""
        if len(self.counted) == 2:
            return "(i < diagonal) | (i >= whole)"
        return "i < diagonal" if self.counted else ""

    @property
    def of_rows(self) -> list[str]:
        """The statements about each row on its own."""
        return [line for line in self._lines if line.startswith(("earlier =", *_OF_ROWS))]

    @property
    def seen(self) -> str:
        """The mask of a tile."""
        return self._ranges.seen

    @property
    def _lines(self) -> tuple[str, ...]:
        return self._ranges.lines if self.kernel.causal else ()

    @property
    def _ranges(self) -> Ranges:
        k = self.kernel
        return key_ranges(k.causal, k.window, k.chunk, k.narrow, group=1)


_OF_ROWS = ("last =", "since =")
_COUNTS = {
    "diagonal": ("full", "so many tiles are on the diagonal"),
    "whole": ("edge", "so many, with those that every row sees whole"),
}

# By the widths of keys and values. Chosen by the sizes that fast kernels have on this GPU, and so
# that nothing spills and 232,448 bytes hold it; none has been timed.
_RINGS = {
    (64, 64): Ring(warpgroups=2, keys=128, stages=4, registers=240),
    (128, 128): Ring(warpgroups=2, keys=128, stages=2, registers=240),
    (192, 128): Ring(warpgroups=2, keys=128, stages=2, registers=240),
    (256, 256): Ring(warpgroups=2, keys=64, stages=2, registers=240),
}


def _class(kernel: KernelView) -> tuple[int, int]:
    """The first pair of widths in the table that has room for both."""
    widths = kernel.head_dim, kernel.value_dim
    return next(w for w in _RINGS if widths[0] <= w[0] and widths[1] <= w[1])


def hopper_view(kernel: KernelView | None) -> HopperView | None:
    """The kernel for Hopper of that shape, where it is made for it.

    Rows of 16 bytes are what tensor memory copies move. What a row gives is stored through the
    place of its query, so a value has no part that a query has not.
    """
    if kernel is None or kernel.slopes:
        return None
    widths = kernel.head_dim, kernel.value_dim
    sizes = {part.size for part in kernel.key_parts}
    fits = all(64 <= width <= 256 and width % 8 == 0 for width in widths)
    stored = all(part.size in sizes for part in kernel.value_parts)
    return HopperView(kernel) if fits and stored else None


def hopper_context(views: Sequence[Computing]) -> dict[str, Any]:
    """What the file of these kernels sees."""
    names = kernel_names([v.kernel for v in views if v.kernel])
    found = [(name, hopper_view(kernel)) for kernel, name in names.items()]
    hoppers = [(name, view) for name, view in found if view]
    return {
        "hoppers": hoppers,
        "hopper_names": {name for name, _ in hoppers},
        "hopper_parts": sorted({part.size for _, h in hoppers for part in h.parts}),
        "hopper_capping": any(h.kernel.softcap for _, h in hoppers),
        "hopper_parted": any(len(h.kernel.key_parts) > 1 for _, h in hoppers),
    }
