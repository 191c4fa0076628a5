"""Runs the tests of kernels in processes of their own, where Triton interprets them on a CPU.

Triton decides when it is imported, so that no process can do both.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent / "interpreter"
INTERPRET = {"TRITON_INTERPRET": "1", "ARCHSPEC_KERNELS": "interpret", "OMP_NUM_THREADS": "1"}


@pytest.mark.parametrize("name", sorted(path.name for path in FOLDER.glob("check_*.py")))
def test_kernels(name: str) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(FOLDER / name)]
    done = subprocess.run(
        command, env=os.environ | INTERPRET, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
