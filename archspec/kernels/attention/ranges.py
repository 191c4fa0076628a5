"""Masks as integer bounds: which tiles a kernel visits, and where a tile needs a mask.

Positions are counted in keys: the queries are the last `tokens` of `keys`, so query t stands at
`earlier + t`. A row sees the keys from `since` to `last`; a tile is whole where every row of it
sees every key. Tiles are laid from `begin` on, so that what lies in front of it costs nothing.

Where a row holds several texts, or a text and padding, which is a text too, a call brings the slot
where each token's text opens and the one where it closes. Texts stand one behind the other, so of
a tile the first row says where keys begin, and the last from where on every row sees them.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class View:
    """What a query sees: all keys or earlier ones, in a window or chunk, beside a prefix.

    Where the view is `grouped`, query heads of a token that share keys are rows of a tile; where it
    is `narrow` hardly a tile is whole, and one loop with a mask reads them all. Kernels are told
    how wide a window or chunk is: WINDOW, CHUNK.
    """

    causal: bool
    window: bool
    chunk: bool
    prefix: bool
    narrow: bool
    grouped: bool
    padded: bool = True
    """Whether a call may bring bounds of texts; where none does, the first key is in slot 0."""

    @property
    def times(self) -> str:
        """What a count of tokens is multiplied by for a count of rows."""
        return " * GROUP" if self.grouped else ""

    @property
    def near(self) -> bool:
        """Whether a row sees less than all before it."""
        return self.window or self.chunk

    def first(self, last: str) -> str:
        """The first key that the query at `last` sees, in a text from the first key on."""
        if self.window:
            return f"{last} - (WINDOW - 1)"
        return f"{last} - {self._in_chunk(last)}"

    def first_of(self, last: str, opens: str, first: str) -> str:
        """That key in a text that `opens` somewhere; `first` is the name of what it was else."""
        if self.chunk:
            return f"{last} - ({last} - {opens}) % CHUNK"
        return f"tl.maximum({first}, {opens})" if self.window else opens

    def after(self, key: str) -> str:
        """One after the last query that sees `key`, in a text from the first key on."""
        if self.window:
            return f"{key} + WINDOW"
        return f"{key} + CHUNK - {self._in_chunk(key)}"

    def after_of(self, key: str) -> str:
        """The same in the text of `key`."""
        closes = f"tl.load(closes_at + {key})"
        if not self.near:
            return closes
        after = f"{key} + WINDOW"
        if self.chunk:
            after = f"{key} + CHUNK - ({key} - tl.load(opens_at + {key})) % CHUNK"
        if self.prefix:
            after = f"tl.maximum({after}, tl.load(opens_at + {key}) + prefix)"
        return f"tl.minimum({after}, {closes})"

    def _in_chunk(self, key: str) -> str:
        return f"({key} + phase) % CHUNK" if self.padded else f"{key} % CHUNK"


@dataclass(frozen=True)
class Loop:
    """A loop over tiles from `begin` to `end`."""

    begin: str
    end: str
    masked: bool
    why: str
    ragged: bool = False
    """Its last tile may have rows that do not exist; what is masked has that too."""

    zone: str = ""
    """How far its keys are from its rows, where a bias follows from that."""

    over: str = ""
    """What it counts, where its tiles do not lie side by side."""

    lines: tuple[str, ...] = ()
    """What it says first of each tile: where that lies, where it counts something else."""


@dataclass(frozen=True)
class Ranges:
    """The statements that bound the loops of a kernel, the loops, and the mask inside them."""

    lines: tuple[str, ...]
    loops: tuple[Loop, ...]
    seen: str
    begin: str = "begin"
    """The first key of the first tile."""

    rows: tuple[str, ...] = ()
    """What a loop over rows says of each tile before its mask."""

    within: str = ""
    """What is seen of a text that has bounds, where `seen` does not say it already."""

    of_keys: tuple[str, ...] = ()
    """What it says of each key, once."""

    @property
    def jumps(self) -> bool:
        """Whether a tile says where it lies, rather than that it lies behind the one before."""
        return any(loop.over for loop in self.loops)


WHOLE = "every row sees the whole tile"
PARTLY = "some rows see a part of the tile"
DIAGONAL = "the diagonal"
FAR = "only some rows see as far back"
BOUNDED = "if bounds_ptr is not None:"
OPENS = "    opens_at = bounds_ptr + 2 * sequence * tokens"
CLOSES = "    closes_at = opens_at + tokens"
TEXT = [
    "opens, closes = 0, keys  # where the text begins and ends",
    BOUNDED,
    "    opens = tl.load(bounds_ptr + 2 * sequence)",
    "    closes = tl.load(bounds_ptr + 2 * sequence + 1)",
]
