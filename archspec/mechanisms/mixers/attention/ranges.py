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

    `group` query heads of each token are rows of a tile. Where the view is `narrow` hardly a tile
    is whole, and one loop with a mask reads them all.
    """

    causal: bool
    window: int | None
    chunk: int | None
    prefix: bool
    narrow: bool
    group: int
    padded: bool = True
    """Whether a call may bring bounds of texts; where none does, the first key is in slot 0."""

    @property
    def times(self) -> str:
        """What a count of tokens is multiplied by for a count of rows."""
        return f" * {self.group}" if self.group > 1 else ""

    @property
    def near(self) -> bool:
        """Whether a row sees less than all before it."""
        return bool(self.window or self.chunk)

    def first(self, last: str) -> str:
        """The first key that the query at `last` sees, in a text from the first key on."""
        if self.window:
            return f"{last} - {self.window - 1}"
        return f"{last} - {self._in_chunk(last)}"

    def first_of(self, last: str, opens: str, first: str) -> str:
        """The same in a text that `opens` somewhere; `first` is the name of what it was else."""
        if self.chunk:
            return f"{last} - ({last} - {opens}) % {self.chunk}"
        return f"tl.maximum({first}, {opens})" if self.window else opens

    def after(self, key: str) -> str:
        """One after the last query that sees `key`, in a text from the first key on."""
        if self.window:
            return f"{key} + {self.window}"
        return f"{key} + {self.chunk} - {self._in_chunk(key)}"

    def after_of(self, key: str) -> str:
        """The same in the text of `key`."""
        closes = f"tl.load(closes_at + {key})"
        if not self.near:
            return closes
        after = f"{key} + {self.window}"
        if self.chunk:
            after = f"{key} + {self.chunk} - ({key} - tl.load(opens_at + {key})) % {self.chunk}"
        if self.prefix:
            after = f"tl.maximum({after}, tl.load(opens_at + {key}) + prefix)"
        return f"tl.minimum({after}, {closes})"

    def _in_chunk(self, key: str) -> str:
        return f"({key} + phase) % {self.chunk}" if self.padded else f"{key} % {self.chunk}"


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


def key_ranges(view: View) -> Ranges:
    """The keys that a tile of rows sees; the rows of a tile are `group` heads of each token."""
    if not view.causal:
        return _all_keys()
    token, group = ("token", view.group) if view.group > 1 else ("row", 1)
    past = f"(tile * ROWS + ROWS - 1){f' // {group}' if group > 1 else ''}"
    lines = [
        "earlier = keys - tokens  # keys before the first query",
        f"last = earlier + {token}  # the last key a row sees, its own",
        f"lowest = earlier + {'start' if group > 1 else 'tile * ROWS'}",
        f"highest = earlier + tl.minimum({past}, tokens - 1)",
        *_first_keys(view),
    ]
    if view.padded:
        lines += _first_keys_of_texts(view)
    lines += ["last = tl.where(last < reach, reach - 1, last)"] if view.prefix else []
    seen, stop = "key[None, :] <= last[:, None]", "stop" if view.prefix else "highest + 1"
    since = "key[None, :] >= since[:, None]"
    seen = f"({seen}) & ({since})" if view.near else seen
    within = since if view.padded and not view.near else ""
    if view.narrow:
        return Ranges(tuple(lines), (Loop("begin", stop, True, PARTLY),), seen)
    full = "begin + tl.maximum(lowest + 1 - begin, 0) // KEYS * KEYS"
    diagonal = Loop("full", stop, True, DIAGONAL)
    if not view.near and not view.padded:
        loops = (Loop("begin", "full", False, WHOLE), diagonal)
        return Ranges((*lines, f"full = {full}"), loops, seen)
    if view.near:
        lines.append("edge = begin + tl.cdiv(tl.maximum(far - begin, 0), KEYS) * KEYS")
    lines.append(f"full = tl.maximum({full}, edge)")
    loops = (Loop("begin", "edge", True, FAR), Loop("edge", "full", False, WHOLE), diagonal)
    return Ranges(tuple(lines), loops, seen, within=within)


def _first_keys(view: View) -> list[str]:
    """Where keys begin, for a text from the first key on: of a tile, of its rows, of its last."""
    lines: list[str] = []
    if view.near:
        lines += [f"begin = tl.maximum({view.first('lowest')}, 0)", f"since = {view.first('last')}"]
        lines += [] if view.narrow else [f"far = {view.first('highest')}"]
    else:
        lines.append("begin, edge = 0, 0" if view.padded else "begin = 0")
    if view.prefix and view.near:
        lines.append("begin = tl.where(lowest < prefix, 0, begin)")
        lines.append("since = tl.where(last < prefix, 0, since)")
    if view.prefix:
        lines.append("reach, stop = prefix, tl.maximum(highest + 1, prefix)")
    return lines


def _first_keys_of_texts(view: View) -> list[str]:
    """The same where texts have bounds."""
    lines = [f"{BOUNDED}  # no key in front of a row's text", OPENS]
    if view.prefix:
        lines.append(CLOSES)
    places = {"begin": "lowest", "since": "last"} | ({} if view.narrow else {"far": "highest"})
    for name, at in places.items():
        mask = ", mask=real, other=0" if at == "last" else ""
        opens = f"tl.load(opens_at + {at}{mask})"
        if not view.prefix or name == "far":
            lines.append(f"    {name} = {view.first_of(at, opens, name)}")
            continue
        seen = f"tl.where({at} < opens + prefix, opens, {view.first_of(at, 'opens', name)})"
        lines += [f"    opens = {opens}", f"    {name} = {seen if view.near else 'opens'}"]
    if view.prefix:  # `opens` is that of each row still
        closes = "tl.load(closes_at + last, mask=real, other=0)"
        lines.append(f"    reach = tl.minimum(opens + prefix, {closes})")
        reach = "tl.load(opens_at + highest) + prefix, tl.load(closes_at + highest)"
        lines.append(f"    stop = tl.maximum(highest + 1, tl.minimum({reach}))")
    if not view.near:
        lines.append("    edge = begin + tl.cdiv(far - begin, KEYS) * KEYS")
    return lines


def row_ranges(view: View) -> Ranges:
    """The rows that see a tile of keys, beginning at key `first`."""
    times = view.times
    if not view.causal:
        lines = [
            f"end = tokens{times}",
            *TEXT,
            "    end = tl.where((first + KEYS > opens) & (first < closes), end, 0)",
        ]
        return Ranges(tuple(lines), (Loop("0", "end", False, WHOLE, ragged=True),), "")
    lines = [
        "earlier = keys - tokens  # keys before the first query",
        "final = tl.minimum(first + KEYS, keys) - 1",
        f"begin = tl.maximum(first - earlier, 0){times}  # the first row that sees any",
    ]
    if view.prefix:
        lines.append("begin = tl.where(first < prefix, 0, begin)")
    seen = "(key <= last[None, :])"
    if view.near:
        lines.append(
            f"end = tl.minimum({view.after('final')} - earlier, tokens){times}"
            "  # after the last row that sees any"
        )
        seen += " & (key >= since[None, :])"
    else:
        lines.append(f"end = tokens{times}")
    if view.prefix and view.near:
        lines.append(f"end = tl.where(first < prefix, tl.maximum(end, prefix{times}), end)")
    seen += " & real[None, :]"
    lines += [f"{BOUNDED}  # no row beyond the texts of these keys", OPENS, CLOSES]
    if view.prefix:
        opens = "tl.load(opens_at + first)"
        lines.append(f"    begin = tl.where(first < {opens} + prefix, {opens}, first){times}")
    lines.append(f"    end = {view.after_of('final')}{times}")
    rows = tuple(_row_bounds(view))
    if view.narrow:
        return Ranges(tuple(lines), (Loop("begin", "end", True, PARTLY),), seen, rows=rows)
    lines += [
        f"below = tl.maximum(first + KEYS - 1 - earlier, 0){times} - begin",
        "whole = begin + tl.cdiv(tl.maximum(below, 0), ROWS) * ROWS",
        *_whole_rows(view),
    ]
    loops = (
        Loop("begin", "whole", True, DIAGONAL),
        Loop("whole", "full", False, WHOLE, ragged=not view.near),
        Loop("full", "end", True, FAR),
    )
    within = "" if view.near else "key >= since[None, :]"
    return Ranges(tuple(lines), loops, seen, rows=rows, within=within)


def _all_keys() -> Ranges:
    lines = (
        *TEXT,
        "full = opens + (closes - opens) // KEYS * KEYS",
    )
    loops = (
        Loop("opens", "full", False, WHOLE),
        Loop("full", "closes", True, "where the keys end"),
    )
    return Ranges(lines, loops, "key[None, :] < closes", begin="opens")


def _row_bounds(view: View) -> list[str]:
    """The first and the last key that each row of a tile sees."""
    lines = [f"last = earlier + {'token' if view.group > 1 else 'row'}"]
    lines += [f"since = {view.first('last')}"] if view.near else []
    if view.prefix and view.near:
        lines.append("since = tl.where(last < prefix, 0, since)")
    lines += ["reach = prefix"] if view.prefix else []
    opens = "tl.load(opens_at + last, mask=real, other=0)"
    lines.append(BOUNDED)
    if not view.prefix:
        return [*lines, f"    since = {view.first_of('last', opens, 'since')}"]
    since = view.first_of("last", "opens", "since")
    since = f"tl.where(last < opens + prefix, opens, {since})" if view.near else "opens"
    closes = "tl.load(closes_at + last, mask=real, other=0)"
    return [
        *lines,
        f"    opens = {opens}",
        f"    since = {since}",
        f"    reach = tl.minimum(opens + prefix, {closes})",
        "last = tl.where(last < reach, reach - 1, last)",
    ]


def _whole_rows(view: View) -> list[str]:
    """Where the rows end that see every key of a tile."""
    full, times = "whole + tl.maximum(until - whole, 0) // ROWS * ROWS", view.times
    bounded = [BOUNDED, f"    until = {view.after_of('first')}{times}"]
    if not view.near:
        return ["full = end", *bounded, f"    full = {full}"]
    until = f"until = tl.minimum({view.after('first')} - earlier, tokens){times}"
    return [f"{until}  # the same for the first of these keys", *bounded, f"full = {full}"]
