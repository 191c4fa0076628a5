"""A learned bias for each distance, in kernels: the zones of a tile, and what joins its scores.

`furthest` is the distance from which on all keys of a side have one bias. What the keys of a row
have in common does not change its softmax, so every bias is counted from that of the keys far
behind: a loop over those alone has bare products, as if there were no bias. Near keys read theirs,
and the keys far ahead, where a token sees any, have one number for a row.

The gradient of a bias is the sum of ds over all pairs so far apart. For far ones the rows sum
theirs as they go over their keys; near ones have a kernel of their own, which computes the scores
of the tiles around the diagonal again. There a tile turns each of its rows by the row's number,
which makes columns of its diagonals, and sums these. Sums of tiles go to memory, and PyTorch adds
them: no addition is atomic, and the order is the same every time.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from archspec.kernels.attention.joins import AHEAD, BEHIND, NEAR, TO_BITS, Join, Lines
from archspec.kernels.attention.key_ranges import key_ranges
from archspec.kernels.attention.ranges import (
    BOUNDED,
    TEXT,
    Loop,
    Ranges,
    View,
)
from archspec.kernels.attention.row_ranges import row_ranges

ALL_BEHIND = "the whole tile is far behind every row"
ALL_AHEAD = "the whole tile is far ahead of every row"
SOME_NEAR = "some keys are near some rows"


@dataclass(frozen=True)
class Related(Join):
    """A learned bias for each distance; `both` ways there are such ahead of a token as well."""

    query_head: str
    place: str
    both: bool

    def pointers(self) -> str:
        """The biases of each head by distance."""
        return "relative_ptr, "

    @property
    def sides(self) -> int:
        """On how many sides of a token there are keys."""
        return 2 if self.both else 1

    def before(self) -> Lines:
        """Where the biases of each row stand, that of no distance first."""
        return (*self._biases(), *((self._ahead("behind"),) if self.both else ()))

    def one_token(self) -> Lines:
        """The token is the last key; all its biases are read, of far keys too."""
        return (
            "biases = relative_ptr + query_head * (furthest + 1)",
            "near = tl.arange(0, KEYS)",
        )

    def score(self, zone: str = "") -> Lines:
        """Bare products far behind; one number for a row far ahead; else what the pair has."""
        if zone == BEHIND:
            return ()
        if zone == AHEAD:
            return (f"s = s * ({TO_BITS}) + ahead[:, None]",)
        if zone == NEAR:
            return (
                f"distance = {self.place}[:, None] - key[None, :]",
                f"bias = tl.load(biases[:, None] + {self._nearest})",
                "bias = (bias.to(tl.float32) - behind[:, None]) * LOG2_E",
                f"s = s * ({TO_BITS}) + bias",
            )
        return (
            "distance = tl.maximum(keys - 1 - first - near, 0)",
            "bias = tl.load(biases[:, None] + tl.minimum(distance, furthest)[None, :],"
            " mask=exists[:, None], other=0.0)",
            f"s = s * ({TO_BITS}) + bias.to(tl.float32) * LOG2_E",
        )

    def transposed(self, zone: str = "") -> Lines:
        """The same for the rows of a tile, whose biases are looked up with it."""
        if zone == BEHIND:
            return ()
        if zone == AHEAD:
            return (
                *self._biases(),
                self._ahead("behind"),
                f"s = s * ({TO_BITS}) + ahead[None, :]",
            )
        return (
            *self._biases(),
            f"distance = {self.place}[None, :] - key",
            f"bias = tl.load(biases[None, :] + {self._nearest})",
            "bias = (bias.to(tl.float32) - behind[None, :]) * LOG2_E",
            f"s = s * ({TO_BITS}) + bias",
        )

    def begin_sums(self) -> Lines:
        """What rows sum of ds: over keys far behind, and far ahead."""
        names = ["sum_behind", "sum_ahead"][: self.sides]
        return tuple(f"{name} = tl.zeros((ROWS,), tl.float32)" for name in names)

    def sums(self, zone: str) -> Lines:
        """What a tile adds to them."""
        if zone != NEAR:
            return (f"sum_{zone} += tl.sum(ds, axis=1)",)
        found = ("sum_behind += tl.sum(tl.where(distance >= furthest, ds, 0.0), axis=1)",)
        ahead = (
            "sum_ahead += tl.sum(tl.where(distance <= -tl.maximum(furthest, 1), ds, 0.0), axis=1)"
        )
        return (*found, ahead) if self.both else found

    def end_sums(self, rows: str) -> Lines:
        """Where they go: those behind first, then, as far from there as all rows, those ahead."""
        found = ("tl.store(far_ptr + at + row, sum_behind, mask=real)",)
        place = f"(tl.num_programs(0) // tiles).to(tl.int64) * {rows}"
        ahead = f"tl.store(far_ptr + {place} + at + row, sum_ahead, mask=real)"
        return (*found, ahead) if self.both else found

    @property
    def of_heads(self) -> Related:
        """The same in the kernel for near biases, where a program has rows of one query head."""
        return replace(self, query_head="query_head", place="slot")

    def around(self) -> Lines:
        """What that kernel begins with: which keys a row sees, and the biases of its head."""
        if self.both:
            return (*TEXT, *self._biases())
        opens = "tl.load(bounds_ptr + 2 * sequence * tokens + row, mask=real, other=0)"
        since = ("since = tl.zeros((ROWS,), tl.int32)", BOUNDED, f"    since = {opens}")
        return (*since, *self._biases())

    @property
    def there(self) -> str:
        """The expression for the keys that are read."""
        if self.both:
            return "(key >= opens) & (key < closes)"
        return "(key >= 0) & (key < keys)"

    @property
    def seen(self) -> str:
        """The expression for the pairs that are seen, of keys that are read."""
        if self.both:
            return "there[None, :]"
        return "(key[None, :] <= slot[:, None]) & (key[None, :] >= since[:, None])"

    @property
    def blocks(self) -> str:
        """The expression for the tiles of keys that are near some row of a tile, in their kernel.

        They go from the newest to the oldest; both ways some lie ahead of the rows.
        """
        return f"{'2 * ' if self.both else ''}tl.cdiv(furthest, KEYS) + 1"

    @property
    def newest(self) -> str:
        """The expression for where the first of them begins, from the key of the first row."""
        return " + tl.cdiv(furthest, KEYS) * KEYS" if self.both else ""

    def _biases(self) -> Lines:
        head = f"({self.query_head})" if " " in self.query_head else self.query_head
        stride = " * (2 * furthest + 1) + furthest" if self.both else " * (furthest + 1)"
        return (
            f"biases = relative_ptr + {head}{stride}",
            "behind = tl.load(biases + furthest).to(tl.float32)",
        )

    def _ahead(self, behind: str) -> str:
        return f"ahead = (tl.load(biases - furthest).to(tl.float32) - {behind}) * LOG2_E"

    @property
    def _nearest(self) -> str:
        """The distance, as far as it has a bias of its own: a key ahead is masked, or has one."""
        return f"tl.minimum(tl.maximum(distance, {'-furthest' if self.both else '0'}), furthest)"


def related_keys(view: View) -> Ranges:
    """The keys that a tile of rows sees: far ones behind, those around the diagonal, ones ahead."""
    if view.causal:
        plain = key_ranges(view)
        *lines, _ = plain.lines
        full = "begin + tl.maximum(lowest + 1 - furthest - begin, 0) // KEYS * KEYS"
        openings, behind, diagonal = plain.loops
        loops = (
            replace(openings, zone=NEAR),
            replace(behind, why=ALL_BEHIND, zone=BEHIND),
            replace(diagonal, why=SOME_NEAR, zone=NEAR),
        )
        lines = (*lines, f"full = tl.maximum({full}, edge)")
        return replace(plain, lines=lines, loops=loops)
    group = " // GROUP" if view.grouped else ""
    past = "(tile * ROWS + ROWS - 1)" if group else "tile * ROWS + ROWS - 1"
    lines = (
        *TEXT,
        f"lowest = {'start' if group else 'tile * ROWS'}",
        f"highest = tl.minimum({past}{group}, tokens - 1)",
        "edge = tl.minimum(lowest - furthest + 1, closes)  # the first key that is not far behind",
        "edge = opens + tl.maximum(edge - opens, 0) // KEYS * KEYS",
        "turn = tl.minimum(highest + furthest, closes)  # the first that is far ahead",
        "turn = edge + tl.cdiv(tl.maximum(turn - edge, 0), KEYS) * KEYS",
    )
    loops = (
        Loop("opens", "edge", False, ALL_BEHIND, zone=BEHIND),
        Loop("edge", "turn", True, SOME_NEAR, zone=NEAR),
        Loop("turn", "closes", True, ALL_AHEAD, zone=AHEAD),
    )
    return Ranges(lines, loops, "key[None, :] < closes", begin="opens")


def related_rows(view: View) -> Ranges:
    """The rows that see a tile of keys, by how far they stand from it."""
    times = view.times
    below = f"tl.minimum(tl.maximum(first + KEYS - 1 + furthest{{}}, 0){times}, end)"
    if view.causal:
        plain = row_ranges(view)
        nearest = f"below = {below.format(' - earlier')} - begin"
        lines = [nearest if line.startswith("below = ") else line for line in plain.lines]
        diagonal, behind, endings = plain.loops
        loops = (
            replace(diagonal, why=SOME_NEAR, zone=NEAR),
            replace(behind, why=ALL_BEHIND, zone=BEHIND),
            replace(endings, zone=NEAR),
        )
        return replace(plain, lines=tuple(lines), loops=loops)
    lines = (
        f"end = tokens{times}",
        *TEXT,
        "    end = tl.where((first + KEYS > opens) & (first < closes), end, 0)",
        f"edge = tl.minimum(tl.maximum(first - furthest + 1, 0){times}, end) // ROWS * ROWS",
        f"below = {below.format('')} - edge",
        "turn = edge + tl.cdiv(tl.maximum(below, 0), ROWS) * ROWS",
    )
    loops = (
        Loop("0", "edge", False, ALL_AHEAD, zone=AHEAD),
        Loop("edge", "turn", False, SOME_NEAR, ragged=True, zone=NEAR),
        Loop("turn", "end", False, ALL_BEHIND, ragged=True, zone=BEHIND),
    )
    return Ranges(lines, loops, "")
