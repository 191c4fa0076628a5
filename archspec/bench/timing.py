"""Timing in turns: what a busy machine does to one contender, it does to the others too."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}

Prepare = Callable[[], Callable[[], Any]]
"""Makes what is timed; what it does itself is not."""


@dataclass(frozen=True)
class Times:
    """Seconds of each contender, round by round."""

    rounds: dict[str, list[float]]

    def median(self, name: str) -> float:
        """The median over all rounds, in seconds."""
        return statistics.median(self.rounds[name])

    def quartiles(self, name: str) -> tuple[float, float]:
        """The quartiles of a contender's seconds."""
        return _quartiles(self.rounds[name])

    def peer(self) -> str:
        """The fastest of the others."""
        return min((n for n in self.rounds if n != "ours"), key=self.median)

    def ratios(self, peer: str | None = None) -> list[float]:
        """The peer's time over ours, round by round: above 1, ours is faster."""
        pairs = zip(self.rounds[peer or self.peer()], self.rounds["ours"], strict=True)
        return [theirs / ours for theirs, ours in pairs]

    def ratio(self, peer: str | None = None) -> float:
        """The median of the ratios."""
        return statistics.median(self.ratios(peer))

    def spread(self, peer: str | None = None) -> tuple[float, float]:
        """The quartiles of the ratios: how sure the median is."""
        return _quartiles(self.ratios(peer))


def _quartiles(numbers: list[float]) -> tuple[float, float]:
    if len(numbers) < 2:
        return numbers[0], numbers[0]
    low, _, high = statistics.quantiles(numbers, n=4)
    return low, high


def in_turns(
    contenders: dict[str, Prepare], rounds: int, measure: Callable[[Callable[[], Any]], float]
) -> Times:
    """Measure each contender once a round, in an order that rotates; a first round only warms up.

    `measure` runs what it is given and returns the seconds that took.
    """
    names = list(contenders)
    taken: dict[str, list[float]] = {name: [] for name in names}
    for number in range(rounds + 1):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            seconds = measure(contenders[name]())
            if number:
                taken[name].append(seconds)
    return Times(taken)


def take_turns(contenders: dict[str, Prepare], rounds: int, clock: str) -> Times:
    """Time each contender by a clock of `CLOCKS`."""
    now = CLOCKS[clock]

    def measure(work: Callable[[], Any]) -> float:
        start = now()
        work()
        return now() - start

    return in_turns(contenders, rounds, measure)
