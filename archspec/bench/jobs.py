"""Sections run in processes of their own, so that what hangs or dies takes nothing else along."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Row = dict[str, Any]
Tell = Callable[[str], None]

SILENCE = 30.0
"""Seconds after which it is said again what runs."""


@dataclass(frozen=True)
class Job:
    """A section of a package, and the seconds that it may take."""

    section: str
    package: Path
    seconds: float
    warm: bool = False
    tests: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """What it is called in what is printed."""
        return f"{'compile ' if self.warm else ''}{self.section} of {self.package.name}"


class Running:
    """A job that was started."""

    def __init__(self, job: Job, seconds: float, folder: Path) -> None:
        self.job, self.start, self.seconds = job, time.monotonic(), seconds
        label = f"{job.section}-{job.package.name}" + ("-warm" if job.warm else "")
        self.rows, self.log = folder / f"{label}.rows", folder / f"{label}.log"
        self.doing, self.told = "", self.start
        module = __name__.replace("jobs", "section")
        # It stops by itself before it is stopped, so that the rows say what was left out.
        own = max(5.0, 0.9 * seconds - 5)
        command = [sys.executable, "-m", module, job.section, str(job.package.resolve())]
        command += ["--rows", str(self.rows), "--seconds", str(own)]
        command += ["--warm"] if job.warm else []
        command += ["--tests", *job.tests] if job.tests else []
        with self.log.open("w", encoding="utf-8") as log:
            self.process = subprocess.Popen(
                command,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment(),
                start_new_session=True,
            )

    def news(self) -> str | None:
        """A line on what it does, where that changed or was not said for a while."""
        now = time.monotonic()
        beside = self.rows.with_suffix(".doing")
        doing = beside.read_text(encoding="utf-8") if beside.exists() else ""
        if doing == self.doing and now - self.told < SILENCE:
            return None
        self.doing, self.told = doing, now
        return f"{self.job.name}: {f'{doing}, ' if doing else ''}{now - self.start:.0f} s"

    def done(self) -> bool:
        """Whether it ended; it is ended where its time is up."""
        if self.process.poll() is not None:
            return True
        if time.monotonic() - self.start > self.seconds:
            self.stop()
            return True
        return False

    def stop(self) -> None:
        """End it and all that it started."""
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            return
        self.process.wait()

    def result(self) -> list[Row]:
        """Its rows, and one more where it did not end well."""
        text = self.rows.read_text(encoding="utf-8") if self.rows.exists() else ""
        found: list[Row] = [json.loads(line) for line in text.splitlines() if line.endswith("}")]
        code = self.process.returncode
        if code and not self.job.warm:
            said = self.log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
            late = time.monotonic() - self.start > self.seconds
            reason = f"stopped after {self.seconds:.0f} s" if late else f"exit code {code}"
            last = f": {said[-1][:300]}" if said and not late else ""
            about = {"section": self.job.section, "package": self.job.package.name}
            found.append(about | {"failed": reason + last})
        return found


def environment() -> dict[str, str]:
    """This process's, with what these modules and Triton need."""
    depth = __name__.count(".")
    root = str(Path(__file__).resolve().parents[depth])
    path = os.pathsep.join(p for p in (root, os.environ.get("PYTHONPATH")) if p)
    return os.environ | {"PYTHONPATH": path, "PYTHONUNBUFFERED": "1"}


def say(line: str) -> None:
    """Print a line of progress, which is no result, to standard error."""
    print(line, file=sys.stderr, flush=True)


def together(
    jobs: list[Job], at_once: int, end: float, folder: Path, tell: Tell = say
) -> list[Row]:
    """Run jobs, some at once, until all are done or it is `end` by the monotonic clock.

    `tell` is given a line when a job starts, does something else, goes on for long, and ends.
    """
    waiting, running, rows = list(jobs), list[Running](), list[Row]()
    try:
        while waiting or running:
            while waiting and len(running) < at_once:
                job = waiting.pop(0)
                left = end - time.monotonic()
                if left < 10:
                    about = {"section": job.section, "package": job.package.name}
                    rows += [] if job.warm else [about | {"left_out": "the time was up"}]
                    continue
                running.append(Running(job, min(job.seconds, left), folder))
                tell(f"{job.name}: started, {running[-1].seconds:.0f} s at most")
            for one in [one for one in running if one.done()]:
                running.remove(one)
                spent = time.monotonic() - one.start
                tell(f"{one.job.name}: done in {spent:.0f} s")
                rows += one.result()
            for line in filter(None, [one.news() for one in running]):
                tell(line)
            time.sleep(0.05)
    finally:
        for one in running:
            one.stop()
    return rows
