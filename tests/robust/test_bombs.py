"""Small inputs end cleanly: soon, in little memory, with a message that a person can read.

All of a kind run in one process under limits of the system, which no input can talk out of them.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import bombs
import pytest

MEMORY = 2 << 30
"""Of addresses, most of which nothing is ever written to."""
RESIDENT = 500 << 20
SECONDS = 12
"""Of one command; a machine of its own needs two at most."""
CHARACTERS = 100_000

PROGRAM = """
import contextlib, io, json, resource, sys, time
from archspec.cli import main

def seconds():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime

found = []
for arguments in json.load(open(sys.argv[1])):
    out, err = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.StringIO()
    start = seconds()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(arguments)
    out.flush()
    text = out.buffer.getvalue().decode() + err.getvalue()
    found.append([code, len(text), text[:3000], seconds() - start])
# Not by getrusage, which counts what the process had that this one was forked from.
most = next(line for line in open("/proc/self/status") if line.startswith("VmHWM:"))
print(json.dumps({"found": found, "resident": int(most.split()[1]) * 1024}))
"""

Found = tuple[int, int, str, float]


def _limit() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def run(folder: Path, commands: list[list[str]]) -> list[Found]:
    """The code, the length and the beginning of the text, and the seconds of each command."""
    listed = folder / "commands.json"
    listed.write_text(json.dumps(commands))
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(listed)],
        capture_output=True,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "COLUMNS": "100"},
        preexec_fn=_limit,
        text=True,
        timeout=SECONDS * (len(commands) + 10),
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    report: dict[str, Any] = json.loads(done.stdout)
    assert report["resident"] < RESIDENT
    return [tuple(one) for one in report["found"]]


def written(folder: Path, inputs: Mapping[str, str], suffix: str) -> dict[str, str]:
    """The file of each input."""
    paths: dict[str, str] = {}
    for number, (name, text) in enumerate(inputs.items()):
        assert len(text.encode()) <= 1 << 20, name
        paths[name] = f"{number}.{suffix}"
        (folder / paths[name]).write_text(text, encoding="utf-8")
    return paths


def check(names: list[str], found: list[Found], codes: set[int]) -> None:
    wrong = [
        (name, code, length, seconds, text[:200])
        for name, (code, length, text, seconds) in zip(names, found, strict=True)
        if code not in codes
        or length > CHARACTERS
        or seconds > SECONDS
        or any(said in text for said in ("Traceback", "bug in archspec", "pydantic"))
    ]
    assert not wrong


def test_specs_are_refused(tmp_path: Path) -> None:
    paths = written(tmp_path, bombs.REFUSED, "yaml")
    found = run(tmp_path, [["check", path] for path in paths.values()])
    check(list(paths), found, {2})
    assert all(
        text.startswith(path) for path, (*_, text, _) in zip(paths.values(), found, strict=True)
    )


def test_refusals_in_json_are_as_short(tmp_path: Path) -> None:
    wanted = ("250 wrong blocks", "unknown names", "unknown fields", "one key often")
    inputs = {name: bombs.REFUSED[name] for name in wanted}
    paths = written(tmp_path, inputs, "yaml")
    found = run(tmp_path, [["check", "--json", path] for path in paths.values()])
    check(list(paths), found, {2})


@pytest.mark.parametrize("command", ["check", "inspect", "shrink", "diff", "draw"])
def test_specs_are_taken(command: str, tmp_path: Path) -> None:
    # What is only long text is the same to every command.
    wanted = bombs.TAKEN if command == "check" else bombs.WIDE
    paths = written(tmp_path, {name: bombs.TAKEN[name] for name in wanted}, "yaml")
    more = {"diff": lambda path: [path], "draw": lambda _: ["-o", "f.svg"]}.get(command)
    commands = [[command, path, *(more(path) if more else [])] for path in paths.values()]
    check(list(paths), run(tmp_path, commands), {0})


def test_configurations_are_refused(tmp_path: Path) -> None:
    paths = written(tmp_path, bombs.CONFIGURATIONS, "json")
    found = run(tmp_path, [["import", path] for path in paths.values()])
    check(list(paths), found, {2})
