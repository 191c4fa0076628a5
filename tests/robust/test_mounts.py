"""Packages and volumes: mounted inside, mounted as the folder, read-only, full.

Each case runs in a process that has mounts of its own, so that they go with it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import mounted
import pytest

HERE = Path(mounted.__file__)


def may_mount(folder: Path) -> str:
    """Why this process cannot mount anything, empty where it can."""
    if not shutil.which("unshare") or not shutil.which("mount"):
        return "there is no unshare here"
    command = ["unshare", "--mount", "mount", "-t", "tmpfs", "none", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stderr.strip() if done.returncode else ""


@pytest.mark.parametrize("case", [case.__name__ for case in mounted.CASES])
def test_with_volumes(case: str, tmp_path: Path) -> None:
    if reason := may_mount(tmp_path):
        pytest.skip(f"nothing can be mounted: {reason}")
    command = ["unshare", "--mount", sys.executable, str(HERE), case, str(tmp_path)]
    path = os.pathsep.join([str(HERE.parents[2]), str(HERE.parent)])
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert done.returncode == 0, done.stderr
