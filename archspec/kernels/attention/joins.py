"""What makes scores of the products of a tile: statements of kernels, for either order of a tile.

Scores are exponents of two. Where nothing joins a product it stays as it is, and its factor joins
the softmax.
"""

from __future__ import annotations

from dataclasses import dataclass

BEHIND, NEAR, AHEAD = "behind", "near", "ahead"
"""Zones of a loop: all its keys are far behind the rows, some are near, all are far ahead."""

TO_BITS = "SCALE * LOG2_E"
"""What products become scores with, as exponents of two."""

Lines = tuple[str, ...]


@dataclass(frozen=True)
class Join:
    """Nothing: products alone."""

    def pointers(self) -> str:
        """What it reads, as parameters of a kernel."""
        return ""

    def before(self) -> Lines:
        """Once for a tile of rows, before the loops over its keys."""
        return ()

    def before_rows(self) -> Lines:
        """Once for a tile of keys, before the loops over its rows."""
        return ()

    def one_token(self) -> Lines:
        """Before the loop over the keys of one new token."""
        return ()

    def score(self, zone: str = "") -> Lines:
        """From products (rows, keys) to scores, in a zone or anywhere."""
        return ()

    def transposed(self, zone: str = "") -> Lines:
        """From products (keys, rows) to scores."""
        return ()

    def begin_sums(self) -> Lines:
        """What rows sum of ds as they go over their keys, for a gradient of what joins."""
        return ()

    def sums(self, zone: str) -> Lines:
        """What a tile adds to that."""
        return ()

    def end_sums(self, rows: str) -> Lines:
        """Where it goes; `rows` is the expression for how many rows a key-value head has."""
        return ()


@dataclass(frozen=True)
class Capped(Join):
    """s = cap · tanh(s / cap)."""

    def score(self, zone: str = "") -> Lines:
        """The same in either order."""
        return "t = tanh(s * (SCALE / CAP))", "s = t * (CAP * LOG2_E)"

    def transposed(self, zone: str = "") -> Lines:
        """The same in either order."""
        return self.score()


@dataclass(frozen=True)
class Sloped(Join):
    """A bias that falls with distance."""

    query_head: str

    def pointers(self) -> str:
        """The slope of each head."""
        return "slopes_ptr, "

    def before(self) -> Lines:
        """The slope of each row."""
        return (
            f"slope = tl.load(slopes_ptr + {self.query_head}) * LOG2_E",
            "near = tl.arange(0, KEYS).to(tl.float32)[None, :]",
        )

    def before_rows(self) -> Lines:
        """The keys of a tile, from its first."""
        return ("near = tl.arange(0, KEYS).to(tl.float32)[:, None]",)

    def one_token(self) -> Lines:
        """The token is the last key."""
        slope = "tl.load(slopes_ptr + query_head, mask=exists, other=0.0)"
        return (
            f"slope = {slope} * LOG2_E",
            "near = tl.arange(0, KEYS).to(tl.float32)[None, :]",
            "last = keys - 1",
        )

    def score(self, zone: str = "") -> Lines:
        """The slope times the distance."""
        here = "(slope * (first - last))[:, None]"
        return (f"s = s * ({TO_BITS}) + slope[:, None] * near + {here}",)

    def transposed(self, zone: str = "") -> Lines:
        """The slope of each row of the tile times the distance."""
        here = "(slope * (first - last))[None, :]"
        return (
            f"slope = tl.load(slopes_ptr + {self.query_head}) * LOG2_E",
            f"s = s * ({TO_BITS}) + slope[None, :] * near + {here}",
        )
