"""Every broken spec in tests/errors, and the exact text that a user sees for it.

After a change of wording, `ARCHSPEC_REGEN=1 pytest tests/test_errors.py` writes the texts anew;
read what it changed as a user would.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from archspec.cli import main

FOLDER = Path(__file__).parent / "errors"
MISSING = ["no-such-file"]
CASES = sorted([*(path.stem for path in FOLDER.glob("*.yaml")), *MISSING])
SPAWNED = ["ten-errors", "no-such-file", "a-folder", "not-utf8", "binary", "alias-bomb"]


@pytest.fixture(autouse=True)
def _in_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(FOLDER)
    monkeypatch.delenv("COLUMNS", raising=False)


def test_there_are_enough_cases() -> None:
    assert len(CASES) >= 45


@pytest.mark.parametrize("case", CASES)
def test_message(case: str, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["check", f"{case}.yaml"])
    out, err = capsys.readouterr()
    if os.environ.get("ARCHSPEC_REGEN"):
        Path(f"{case}.txt").write_text(err, encoding="utf-8")
    assert (code, out) == (2, "")
    assert err == Path(f"{case}.txt").read_text(encoding="utf-8")
    # It names the file and fits.
    assert err.startswith(f"{case}.yaml:")
    assert "Traceback" not in err and "pydantic" not in err
    assert all(line.isprintable() for line in err.splitlines())


def test_no_text_without_a_case() -> None:
    assert sorted(path.stem for path in FOLDER.glob("*.txt")) == CASES


@pytest.mark.parametrize("case", SPAWNED)
def test_as_a_process(case: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "archspec", "check", f"{case}.yaml"],
        capture_output=True,
        check=False,
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
    )
    assert done.returncode == 2
    assert done.stdout == b""
    assert done.stderr.decode() == Path(f"{case}.txt").read_text(encoding="utf-8")


def test_a_file_of_two_megabytes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "big.yaml"
    path.write_text("# filler\n" * 250_000)
    assert main(["check", str(path)]) == 2
    assert capsys.readouterr().err == f"{path}: larger than 1,048,576 bytes; no spec is\n"
