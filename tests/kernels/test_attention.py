"""Attention's kernels beside attention written out in float64, in Triton's interpreter."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import ROOT
from kernels.cases import SAMPLE, Case, every

WORKER = Path(__file__).parent / "interpreter.py"


class Interpreter:
    """A process that answers one case after the other."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[str] | None = None

    def errors(self, case: Case) -> dict[str, float]:
        """How far the output and each gradient are off."""
        if self.process is None:
            self.process = subprocess.Popen(
                [sys.executable, str(WORKER)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                cwd=ROOT,
            )
        assert self.process.stdin and self.process.stdout and self.process.stderr
        self.process.stdin.write(json.dumps(case) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            _, said = self.process.communicate()
            self.process = None
            pytest.fail(said[-4000:])
        return json.loads(answer)

    def close(self) -> None:
        """End the process."""
        if self.process is not None:
            self.process.communicate()
            self.process = None


@pytest.fixture(scope="module")
def interpreter() -> Iterator[Interpreter]:
    made = Interpreter()
    yield made
    made.close()


def compare(found: dict[str, float], dtype: str) -> None:
    """Small in float32; in 16 bits no more than twice what PyTorch is off, and a rounding."""
    for name in [name for name in found if "_" not in name]:
        limit = 1e-5
        if dtype != "float32":
            limit = 2 * found[f"{name}_plain"] + 2**-11 * found[f"{name}_size"]
        assert found[name] < limit, (name, found)


@pytest.mark.parametrize("name", SAMPLE)
def test_kernels_are_attention_written_out(name: str, interpreter: Interpreter) -> None:
    case = SAMPLE[name]
    compare(interpreter.errors(case), case["dtype"])


@pytest.mark.slow
@pytest.mark.parametrize("name", every())
def test_every_shape(name: str, interpreter: Interpreter) -> None:
    case = every()[name]
    compare(interpreter.errors(case), case["dtype"])
