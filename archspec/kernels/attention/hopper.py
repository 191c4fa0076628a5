"""What the template of attention's kernels for Hopper GPUs sees, beside the portable ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from archspec.kernels.attention.view import KernelView

WARPGROUP = 64
"""Rows that four warps have in hand, as many as their matrix instruction takes."""


@dataclass(frozen=True)
class Ring:
    """How a program cuts its work: warpgroups with 64 rows each, keys of a tile, tiles at once."""

    warpgroups: int
    keys: int
    stages: int
    registers: int = 240
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
    """The kernel for one shape of attention.

    Tiles of keys are counted from the newest that any row sees, and read in this order: so the
    first is one that needs a mask, wherever there is one.
    """

    kernel: KernelView

    @property
    def ring(self) -> Ring:
        """How a program cuts its work."""
        return _RINGS[_class(self.kernel)]

    @property
    def columns(self) -> set[int]:
        """How wide the parts of its tiles are."""
        return {part.size for part in (*self.kernel.key_parts, *self.kernel.value_parts)}

    @property
    def bounds(self) -> list[str]:
        """The statements that say which tiles there are, for a program."""
        if not self.kernel.causal:
            return ["newest = (keys - 1) // KEYS", "tiles = newest + 1"]
        lines = [
            "lowest = keys - tokens + tile * ROWS  # the last key that the first row sees",
            "highest = gl.minimum(lowest + ROWS, keys) - 1  # and the last row",
            "newest = highest // KEYS",
        ]
        if "diagonal" in self.counts:
            lines.append("diagonal = newest - (lowest + 1) // KEYS + 1  # so many are partly ahead")
        if "whole" in self.counts:
            far = f"gl.maximum({self._first('highest')}, 0)"
            lines.append(f"far = {far}  # the first key that the last row sees")
            lines.append("whole = newest - gl.cdiv(far, KEYS) + 1  # so many, with those all see")
        if not self._near:
            return [*lines, "tiles = newest + 1"]
        return [*lines, f"tiles = newest - gl.maximum({self._first('lowest')}, 0) // KEYS + 1"]

    @property
    def counts(self) -> list[str]:
        """The names of what the bounds say."""
        if not self.kernel.causal or self._narrow:
            return ["newest", "tiles"]
        return ["newest", "diagonal", *["whole"] * self._near, "tiles"]

    @property
    def always_masked(self) -> bool:
        """Whether hardly a tile is seen whole by all rows."""
        return self.kernel.causal and self._narrow

    @property
    def masked(self) -> str:
        """Which tiles after the first have a mask, where only some have."""
        if "whole" in self.counts:
            return "(i < diagonal) | (i >= whole)"
        return "i < diagonal" if "diagonal" in self.counts else ""

    @property
    def of_rows(self) -> list[str]:
        """The statements about what each row sees."""
        if not self.kernel.causal:
            return []
        last = "last = keys - tokens + row  # the last key a row sees, its own"
        return [last, f"since = {self._first('last')}  # the first"] if self._near else [last]

    @property
    def seen(self) -> str:
        """The mask of a tile."""
        if not self.kernel.causal:
            return "key[None, :] < keys"
        last = "key[None, :] <= last[:, None]"
        return f"({last}) & (key[None, :] >= since[:, None])" if self._near else last

    @property
    def _near(self) -> bool:
        """Whether a row sees less than all before it."""
        return self.kernel.window or self.kernel.chunk

    @property
    def _narrow(self) -> bool:
        return self._near and self.kernel.narrow

    def _first(self, last: str) -> str:
        """The first key that the query at `last` sees."""
        if self.kernel.window:
            return f"{last} - (WINDOW - 1)"
        return f"{last} - ({last} + phase) % CHUNK"


# By the widths of keys and values. Chosen by the sizes that fast kernels have on this GPU, and so
# that nothing spills and 232,448 bytes hold it; none has been timed.
_RINGS = {
    (64, 64): Ring(warpgroups=2, keys=128, stages=4),
    (128, 128): Ring(warpgroups=2, keys=128, stages=2),
    (192, 128): Ring(warpgroups=2, keys=128, stages=2),
    (256, 256): Ring(warpgroups=2, keys=64, stages=2),
}


def _class(kernel: KernelView) -> tuple[int, int]:
    """The first pair of widths in the table that has room for both."""
    widths = kernel.head_dim, kernel.value_dim
    return next(w for w in _RINGS if widths[0] <= w[0] and widths[1] <= w[1])


def hopper_view(kernel: KernelView | None) -> HopperView | None:
    """The kernel for Hopper of that shape, where it is made for it.

    Tensor memory copies move rows of a multiple of 16 bytes. What a row gives is stored through
    the place of its query, so a value has no part that a query has not.
    """
    strange = kernel and (kernel.slopes or kernel.prefix or kernel.related or kernel.blocks)
    if kernel is None or strange:
        return None
    widths = kernel.head_dim, kernel.value_dim
    sizes = {part.size for part in kernel.key_parts}
    fits = all(64 <= width <= 256 and width % 8 == 0 for width in widths)
    stored = all(part.size in sizes for part in kernel.value_parts)
    return HopperView(kernel) if fits and stored else None


def hopper_context(names: Mapping[KernelView, str]) -> dict[str, Any]:
    """What the files of kernels see of those for Hopper; `names` are of all in a package."""
    found = [(name, hopper_view(kernel)) for kernel, name in names.items()]
    hoppers = [(name, view) for name, view in found if view]
    return {
        "hoppers": hoppers,
        "hopper_names": [name for name, _ in hoppers],
        "hopper_columns": sorted({width for _, h in hoppers for width in h.columns}),
        "hopper_capping": any(h.kernel.softcap for _, h in hoppers),
        "hopper_plain": any(len(h.kernel.value_parts) == 1 for _, h in hoppers),
        "hopper_parted": any(len(h.kernel.key_parts) > 1 for _, h in hoppers),
        "hopper_chunked": any(h.kernel.chunk for _, h in hoppers),
    }
