"""Runs the tests of kernels in a process of their own, where Triton interprets them on a CPU.

Triton decides when it is imported, so that no process can both interpret and compile.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parent / "interpreter"
INTERPRET = {"TRITON_INTERPRET": "1", "ARCHSPEC_KERNELS": "interpret", "OMP_NUM_THREADS": "1"}


def test_kernels() -> None:
    files = sorted(str(path) for path in FOLDER.glob("check_*.py"))
    assert files
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *files]
    done = subprocess.run(
        command, env=os.environ | INTERPRET, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
