"""Runs the tests of kernels in processes of their own, where Triton interprets them on a CPU.

Triton decides when it is imported, so that no process can both interpret and compile.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

FILES = sorted((Path(__file__).parent / "interpreter").glob("check_*.py"))
INTERPRET = {"TRITON_INTERPRET": "1", "ARCHSPEC_KERNELS": "interpret", "OMP_NUM_THREADS": "1"}


@pytest.mark.parametrize("file", FILES, ids=lambda path: path.stem.removeprefix("check_"))
def test_kernels(file: Path) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(file)]
    done = subprocess.run(
        command, env=os.environ | INTERPRET, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
