"""The order of the layers: `12 x (3 x deltanet, attention)`, read, written and found in a list."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

MAX_LAYERS = 4096
MAX_PERIOD = 64
MAX_NESTING = 16
MAX_PARTS = 4 * MAX_LAYERS
"""Names, numbers and signs: twice what it takes to write out every layer."""


@dataclass(frozen=True)
class Run:
    """`times` repetitions of `items`, each the name of a block or a run itself."""

    times: int
    items: tuple[str | Run, ...]

    def names(self) -> list[str]:
        """The blocks in order, written out."""
        once: list[str] = []
        for item in self.items:
            once += [item] if isinstance(item, str) else item.names()
        return once * self.times

    def length(self) -> int:
        """How many layers there are."""
        inner = (1 if isinstance(item, str) else item.length() for item in self.items)
        return self.times * sum(inner)

    def size(self) -> int:
        """How many names it takes to write it down."""
        return sum(1 if isinstance(item, str) else item.size() for item in self.items)

    def __str__(self) -> str:
        """As it is written in a spec."""
        inner = ", ".join(str(item) for item in self.items)
        if self.times == 1:
            return inner
        simple = len(self.items) == 1 and isinstance(self.items[0], str)
        return f"{self.times} x {inner}" if simple else f"{self.times} x ({inner})"


class ScheduleError(ValueError):
    """A schedule that cannot be read; `start` and `end` are where in the text."""

    def __init__(self, message: str, start: int, end: int, hint: str = "") -> None:
        """Keep the place and what was probably meant."""
        super().__init__(message)
        self.start, self.end, self.hint = start, end, hint


@dataclass(frozen=True)
class Named:
    """A block's name in a schedule, and where it stands."""

    name: str
    start: int
    end: int


_TOKEN = re.compile(r"\s*(?:(?P<number>\d+)|(?P<name>[A-Za-z_][A-Za-z0-9_]*)|(?P<sign>[(),×*]))")
FORM = "a schedule reads like `2 x dense, 12 x (3 x local, global)`"


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.found: list[Named] = []
        self.tokens: list[tuple[str, str, int, int]] = []
        position, end = 0, len(text.rstrip())
        while position < end:
            match = _TOKEN.match(text, position)
            if not match:
                start = next(at for at in range(position, end) if not text[at].isspace())
                names = "the name of a block has letters, digits and `_`"
                hint = names if text[start] in "-.'\"" else FORM
                raise ScheduleError(f"unexpected {text[start]!r}", start, start + 1, hint)
            kind = match.lastgroup or ""
            self.tokens.append((kind, match[kind], match.start(kind), match.end(kind)))
            if len(self.tokens) > MAX_PARTS:
                message = "longer than any schedule that is read"
                raise ScheduleError(message, match.start(kind), match.end(kind), FORM)
            position = match.end()
        self.tokens.append(("end", "", len(text), len(text) + 1))
        self.at = 0

    def peek(self) -> tuple[str, str, int, int]:
        return self.tokens[self.at]

    def fail(self, expected: str) -> ScheduleError:
        _, value, start, end = self.peek()
        got = f"got {value[:40]!r}" if value else "but the schedule ends here"
        return ScheduleError(f"expected {expected}, {got}", start, end, FORM)

    def sequence(self, depth: int) -> Run:
        if depth > MAX_NESTING:
            _, _, start, end = self.peek()
            raise ScheduleError(f"parentheses nested deeper than {MAX_NESTING}", start, end)
        items = [self.term(depth)]
        while self.peek()[1] == ",":
            self.at += 1
            items.append(self.term(depth))
        return Run(1, tuple(items))

    def term(self, depth: int, repeated: int = 0) -> str | Run:
        """A block, or what stands in parentheses, `repeated` so often before."""
        kind, value, start, end = self.peek()
        if kind == "number":
            if repeated == MAX_NESTING:
                message = f"more than {MAX_NESTING} repetitions of one another"
                raise ScheduleError(message, start, end, "`2 x 3 x local` is `6 x local`")
            self.at += 1
            times = int(value) if len(value) < 10 else MAX_LAYERS + 1
            if not 1 <= times <= MAX_LAYERS:
                message = f"a block repeats 1 to {MAX_LAYERS:,} times, not {value[:20]}"
                raise ScheduleError(message, start, end)
            if self.peek()[1] not in ("x", "X", "×", "*"):
                raise self.fail("`x` after the number")
            self.at += 1
            inner = self.term(depth, repeated + 1)
            if isinstance(inner, Run) and inner.times == 1:
                return Run(times, inner.items)
            return Run(times, (inner,))
        if value == "(":
            self.at += 1
            inner = self.sequence(depth + 1)
            if self.peek()[1] != ")":
                raise self.fail("`,` or `)`")
            self.at += 1
            return inner
        if kind == "name":
            self.at += 1
            self.found.append(Named(value, start, end))
            return value
        raise self.fail("the name of a block, a number or `(`")


def parse(text: str) -> tuple[Run, list[Named]]:
    """The schedule in `text`, and each name in it; raises `ScheduleError`."""
    parser = _Parser(text)
    run = parser.sequence(0)
    if parser.peek()[0] != "end":
        raise parser.fail("`,` or the end")
    if run.length() > MAX_LAYERS:
        raise ScheduleError(f"more than {MAX_LAYERS:,} layers", 0, len(text))
    return run, parser.found


def shortest(names: Sequence[str], written: Run | None) -> Run:
    """The schedule as it was written, unless folding the list says the same with fewer names."""
    folded = compress(names)
    if written and written.names() == list(names) and written.size() <= folded.size():
        return written
    return folded


def compress(names: Sequence[str]) -> Run:
    """The schedule of a written-out list: at each place the repetition that covers most."""
    items: list[str | Run] = []
    at = 0
    while at < len(names):
        times, period = _best_repetition(names, at)
        once = names[at : at + period]
        if times == 1:
            items.append(once[0])
        elif period == 1:
            items.append(Run(times, (once[0],)))
        else:
            items.append(Run(times, compress(once).items))
        at += times * period
    return Run(1, tuple(items))


def _best_repetition(names: Sequence[str], at: int) -> tuple[int, int]:
    best = (1, 1)
    for period in range(1, min(MAX_PERIOD, (len(names) - at) // 2) + 1):
        times = 1
        while names[at + times * period : at + (times + 1) * period] == names[at : at + period]:
            times += 1
        if times > 1 and times * period > best[0] * best[1]:
            best = (times, period)
    return best
