"""One comparison: every contender is checked, then all are timed in turns, and a row is written."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .device import Call, Stopwatch, copy_bandwidth, first_line, graphed
from .package import WIDE, distance

Row = dict[str, Any]


class Wrong(Exception):
    """What a package computes is not what it should be."""


class Bench:
    """Where rows go, how much time is left, and the machine's measures.

    While `warming`, everything runs once, so that it is compiled, and nothing is timed.
    """

    def __init__(self, rows: Path, seconds: float, warming: bool, section: str, name: str) -> None:
        self.rows, self.warming = rows, warming
        self.dtype = torch.bfloat16
        self.only: list[str] = []  # words of which the name of a test has one; any, without
        self.end = time.monotonic() + seconds
        self.about = {"section": section, "package": name}
        self.watch = Stopwatch()
        self.bandwidth = 0.0 if warming else copy_bandwidth(self.watch)

    def put(self, row: Row) -> None:
        """Write a row at once, so that it stays whatever happens next."""
        if self.warming:
            return
        with self.rows.open("a", encoding="utf-8") as file:
            file.write(json.dumps(self.about | row) + "\n")

    def begin(self, row: Row) -> None:
        """Say beside the rows what is done now, for whoever waits."""
        sizes = [f"{value} {key}" for key, value in row.items() if type(value) is int]
        doing = ", ".join([str(row.get("test") or row.get("operation") or ""), *sizes])
        self.rows.with_suffix(".doing").write_text(doing, encoding="utf-8")

    def over(self) -> bool:
        """Whether the time is up."""
        return time.monotonic() > self.end

    def race(
        self,
        row: Row,
        contenders: dict[str, Call],
        truth: list[Tensor],
        see: Callable[[Any], list[Tensor]],
        *,
        skipped: dict[str, str] | None = None,
        moved: int = 0,
        eager: Collection[str] = (),
        work: float = 0.0,
        slack: float = 1.0,
    ) -> None:
        """Check and time `contenders`, of which "ours" is one, and put down a row.

        `see` takes what of a result is compared with `truth`. `moved` bytes, of what is read and
        written at least, give the share of the bandwidth of a copy; `work` FLOPs their rate.
        `slack` times as much as the roundings of one operator may a result be off.
        Contenders in `eager` are not made CUDA graphs. Raises `Wrong` where ours is not right.
        """
        skipped, errors = dict(skipped or {}), dict[str, float]()
        works: dict[str, Call] = {}
        graphs: list[str] = []
        for name, call in contenders.items():
            try:
                result = call()
                found = see(result)
                off = [distance(a, b) for a, b in zip(found, truth, strict=True)]
                errors[name] = max(off)
                # Each way to compute it rounds differently; a mistake is much larger.
                wrong = any(e > 4 * slack * WIDE[x.dtype] for e, x in zip(off, found, strict=True))
                del result, found
            except Exception as error:
                if name == "ours":
                    raise
                skipped[name] = first_line(error)
                continue
            if wrong:
                if name == "ours":
                    raise Wrong(f"the result is off by {errors[name]:.1e}")
                skipped[name] = f"off by {errors[name]:.1e}"
                continue
            works[name], is_graph = (call, False) if name in eager else graphed(call)
            graphs += [name] * is_graph
        if self.warming:
            return
        times = self.watch.race(works)
        made = row | {
            "milliseconds": {n: round(1e3 * times.median(n), 5) for n in works},
            "quartiles": {n: [round(1e3 * q, 5) for q in times.quartiles(n)] for n in works},
            "ratios": {
                n: [round(r, 3) for r in (times.ratio(n), *times.spread(n))]
                for n in works
                if n != "ours"
            },
            "errors": {n: float(f"{e:.2g}") for n, e in errors.items()},
            "graphs": graphs,
            "skipped": skipped,
        }
        own = times.median("ours")
        made["copy_bandwidth"] = round(self.bandwidth)
        if moved and self.watch.on_gpu:
            made |= {"bytes": moved, "share": round(moved / own / self.bandwidth, 3)}
        if work:
            made["tflops"] = round(work / own / 1e12, 1)
        self.put(made)

    def each(self, cases: list[tuple[Row, Call]]) -> None:
        """Run cases until the time is up; what fails, or is left out, is put down as such."""
        for row, case in cases:
            if self.over():
                self.put(row | {"left_out": "the time was up"})
                continue
            self.begin(row)
            try:
                case()
            except Exception as error:
                self.put(row | {"failed": first_line(error)})
            torch.compiler.reset()
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
