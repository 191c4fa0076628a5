"""`archspec bench` says on standard error what it is at, and on standard output only results."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from archspec.bench import jobs
from archspec.bench.jobs import Job, together

ROOT = Path(__file__).parent.parent
SECTION = """
import sys, time, pathlib
rows = pathlib.Path(sys.argv[1])
for doing in ("decode a token, 64 keys", "train, 32 tokens"):
    rows.with_suffix(".doing").write_text(doing)
    time.sleep(0.5)
rows.write_text('{"section": "whole", "package": "mine"}')
"""


def test_a_line_when_a_job_starts_does_something_else_and_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = subprocess.Popen

    def start(command: list[str], **options: object) -> subprocess.Popen[bytes]:
        rows = command[command.index("--rows") + 1]
        return real([sys.executable, "-c", SECTION, rows], **options)  # type: ignore[call-overload]

    monkeypatch.setattr(subprocess, "Popen", start)
    monkeypatch.setattr(jobs, "SILENCE", 0.2)
    told: list[str] = []
    job = Job("whole", tmp_path / "mine", 60)
    rows = together([job], 1, time.monotonic() + 60, tmp_path, told.append)
    assert rows == [{"section": "whole", "package": "mine"}]
    assert told[0] == "whole of mine: started, 60 s at most"
    assert told[-1].startswith("whole of mine: done in ")
    for doing in ("decode a token, 64 keys", "train, 32 tokens"):
        # Once when it begins, and again after a silence.
        assert sum(line.startswith(f"whole of mine: {doing}, ") for line in told) >= 2


SHOW = """
from archspec.cli.progress import progress
with progress() as tell:
    tell("compiling [bold]x[/bold]")
print("result")
"""


def test_lines_one_after_another_where_there_is_no_terminal() -> None:
    done = subprocess.run([sys.executable, "-c", SHOW], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("result\n", "compiling [bold]x[/bold]\n")


@pytest.mark.skipif(os.name == "nt", reason="there are no pseudo-terminals")
def test_a_line_that_changes_on_a_terminal() -> None:
    import pty

    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "80"}
    done = subprocess.run(
        [sys.executable, "-c", SHOW],
        stdout=subprocess.PIPE,
        stderr=theirs,
        check=True,
        env=environment,
    )
    os.close(theirs)
    said = os.read(ours, 1 << 16).decode()
    os.close(ours)
    assert done.stdout == b"result\n"
    assert "compiling [bold]x[/bold]" in said and "0:00:00" in said
