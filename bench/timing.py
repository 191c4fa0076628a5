"""Timing in turns: what a busy machine does to one contender, it does to the others too."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}

Prepare = Callable[[], Callable[[], None]]
"""Makes what is timed; what it does itself is not."""


@dataclass(frozen=True)
class Times:
    """Seconds of each contender, round by round."""

    rounds: dict[str, list[float]]

    def median(self, name: str) -> float:
        """The median over all rounds, in seconds."""
        return statistics.median(self.rounds[name])

    def peer(self) -> str:
        """The fastest of the others."""
        return min((n for n in self.rounds if n != "ours"), key=self.median)

    def ratios(self) -> list[float]:
        """The peer's time over ours, round by round: above 1, ours is faster."""
        pairs = zip(self.rounds[self.peer()], self.rounds["ours"], strict=True)
        return [theirs / ours for theirs, ours in pairs]

    def ratio(self) -> float:
        """The median of the ratios."""
        return statistics.median(self.ratios())

    def spread(self) -> tuple[float, float]:
        """The quartiles of the ratios: how sure the median is."""
        quarters = statistics.quantiles(self.ratios(), n=4)
        return quarters[0], quarters[2]


def take_turns(contenders: dict[str, Prepare], rounds: int, clock: str) -> Times:
    """Time each contender once a round, in an order that rotates; a first round only warms up."""
    now, names = CLOCKS[clock], list(contenders)
    taken: dict[str, list[float]] = {name: [] for name in names}
    for number in range(rounds + 1):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            work = contenders[name]()
            start = now()
            work()
            if number:
                taken[name].append(now() - start)
    return Times(taken)
