"""Tests, then ratios, then a record: all sections of some packages, in the time that there is."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from .bars import reached
from .jobs import Job, Tell, say, together

Row = dict[str, Any]
Record = dict[str, Any]

WEIGHTS = {"attention": 4.0, "decode": 2.0, "rows": 2.0, "model": 6.0}
"""How the time that is left after the tests is shared out."""

FIRST = 0.36
"""The share of the time in which tests run, and all is compiled, side by side."""

INTERPRET = {"TRITON_INTERPRET": "1", "ARCHSPEC_KERNELS": "interpret", "OMP_NUM_THREADS": "1"}


@dataclass(frozen=True)
class Options:
    """How much time there is, where record and progress go, what is known of the packages."""

    seconds: float
    record: Path | None = None
    about: Row | None = None
    interpret: bool = False
    sections: tuple[str, ...] = ("checks", *WEIGHTS)
    tests: tuple[str, ...] = ()
    tell: Tell = say


def run(packages: list[Path], options: Options) -> Record:
    """Run what this machine can; the record is written again after every section."""
    from . import device

    start = time.monotonic()
    end = start + options.seconds
    if options.interpret:
        os.environ.update(INTERPRET)
    machine = device.machine()
    on_gpu = machine["gpu"] is not None and not options.interpret
    record: Record = {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "machine": machine,
        **(options.about or {}),
        "packages": [package.name for package in packages],
        "missing_peers": device.missing(),
        "kernels_timed": on_gpu,
        "tests": [],
        "rows": [],
    }
    if not on_gpu:
        record["note"] = "kernels were not timed: there is no GPU"
    with tempfile.TemporaryDirectory() as folder:
        _tests(packages, options, record, on_gpu, end, Path(folder))
        timed = _timed(packages, options, on_gpu)
        for number, (section, package) in enumerate(timed):
            share = _weight(section, package) / sum(_weight(*one) for one in timed[number:])
            seconds = (end - time.monotonic()) * share
            job = [Job(section, package, seconds)]
            _add(record, together(job, 1, end, Path(folder), options.tell))
            _write(record, options, start)
    if on_gpu:
        record["bars"] = reached(record["rows"])
    _write(record, options, start)
    return record


def _timed(packages: list[Path], options: Options, on_gpu: bool) -> list[tuple[str, Path]]:
    """The sections that time something, the first package's first."""
    if options.interpret:
        return []
    names = [n for n in WEIGHTS if n in options.sections and (on_gpu or n == "model")]
    return [(n, package) for package in packages for n in names if n in _wanted(package)]


def _wanted(package: Path) -> list[str]:
    facts = json.loads(package.with_suffix(".json").read_text(encoding="utf-8"))
    return facts.get("sections", ["checks", *WEIGHTS])


def _weight(section: str, package: Path) -> float:
    facts = json.loads(package.with_suffix(".json").read_text(encoding="utf-8"))
    return WEIGHTS[section] / (3.0 if facts.get("brief") else 1.0)


def _tests(
    packages: list[Path],
    options: Options,
    record: Record,
    on_gpu: bool,
    end: float,
    folder: Path,
) -> None:
    """Tests of all packages at once, and with them the compiling that timing would wait for."""
    if "checks" not in options.sections or not (on_gpu or options.interpret):
        return
    now = time.monotonic()
    first = end if options.interpret else now + FIRST * (end - now)
    tests = options.tests
    jobs = [Job("checks", package, first - now, tests=tests) for package in packages]
    warm = [
        Job(s, package, first - now, warm=True) for s, package in _timed(packages, options, on_gpu)
    ]
    cores = os.cpu_count() or 1
    at_once = max(1, min(6, cores // 2))
    _add(record, together(jobs + warm, at_once, first, folder, options.tell))
    _write(record, options, now)


def _add(record: Record, rows: list[Row]) -> None:
    for row in rows:
        tested = row["section"] == "checks"
        record["tests" if tested else "rows"].append(row)


def _write(record: Record, options: Options, start: float) -> None:
    record["seconds"] = round(time.monotonic() - start)
    if options.record:
        text = json.dumps(record, indent=1, ensure_ascii=False) + "\n"
        try:
            options.record.write_text(text, encoding="utf-8")
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(options.record)) from None


def wrong(record: Record) -> list[str]:
    """The tests that failed and what could not be timed because it was wrong, a line each."""
    found = [
        f"{row['package']}: {row.get('test', 'the tests')}: {row.get('found') or row.get('failed')}"
        for row in record["tests"]
        if not row.get("ok", "left_out" in row) and row.get("ok", 0) is not None
    ]
    for row in record["rows"]:
        if str(row.get("failed", "")).startswith("Wrong"):
            found.append(f"{row['package']}: {row['section']}: {row['failed']}")
    return found


def main(arguments: list[str] | None = None) -> int:
    """The kit's command: 0 where all tests passed."""
    import argparse

    from .show import text

    parser = argparse.ArgumentParser(
        description="Tests the packages beside this file, times them, and writes a record."
    )
    here = Path(sys.argv[0]).resolve().parent
    parser.add_argument("--interpret", action="store_true", help="tests only, without a GPU")
    parser.add_argument("--seconds", type=float, default=520.0, help="all of it (default 520)")
    parser.add_argument("--only", nargs="*", metavar="PACKAGE", help="e.g. llama_3_8b")
    parser.add_argument("--sections", nargs="*", default=["checks", *WEIGHTS])
    parser.add_argument("--tests", nargs="*", default=[], help="words of their names, e.g. graph")
    parser.add_argument("--record", type=Path, default=here / "record.json")
    given = parser.parse_args(arguments)
    import torch

    interpret = given.interpret or not torch.cuda.is_available()
    folder = here / ("tiny" if interpret else "packages")
    about = json.loads((here / "kit.json").read_text(encoding="utf-8"))
    order: list[str] = about.pop("order")
    names = [name for name in order if not given.only or name in given.only]
    sections, tests = tuple(given.sections), tuple(given.tests)
    options = Options(given.seconds, given.record, about, interpret, sections, tests)
    record = run([folder / name for name in names], options)
    print(text(record))
    print(f"wrote {given.record}")
    return 1 if wrong(record) else 0
