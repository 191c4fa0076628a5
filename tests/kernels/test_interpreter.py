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
PROCESSES = 4
"""Starting one takes five seconds, most of it to import torch and its compiler."""

INTERPRET = {"TRITON_INTERPRET": "1", "ARCHSPEC_KERNELS": "interpret", "OMP_NUM_THREADS": "1"}


@pytest.mark.parametrize("process", range(PROCESSES))
def test_kernels(process: int) -> None:
    """What failed, of which file, is in the output."""
    files = map(str, FILES[process::PROCESSES])
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *files]
    done = subprocess.run(
        command, env=os.environ | INTERPRET, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
