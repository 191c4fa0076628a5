"""What a wheel holds: the sources, the templates and the data that they read, nothing else."""

from __future__ import annotations

import re
import subprocess
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
KINDS = {
    ".py": r"archspec/.*",
    ".jinja": r"archspec/.*",
    ".yaml": r"archspec/mechanisms/.*/example\.yaml",
    ".md": r"archspec/(mechanisms/.*|draw/fonts)/README\.md",
    ".otf": r"archspec/draw/fonts/.*",
    ".json": r"archspec/draw/fonts/advances\.json",
    ".txt": r"archspec/draw/fonts/LICENSE-OFL\.txt",
}


def tracked() -> list[str]:
    if not (ROOT / ".git").exists():
        pytest.skip("not a checkout: what is tracked is not known")
    command = ["git", "ls-files", "-z", "archspec"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return [path for path in done.stdout.split("\0") if path]


def test_only_what_is_needed_is_tracked() -> None:
    strange = [
        path for path in tracked() if not re.fullmatch(KINDS.get(Path(path).suffix, r"$^"), path)
    ]
    assert strange == []


def test_what_editors_and_merges_leave_stays_out_of_the_wheel() -> None:
    data = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    left_out = data["tool"]["hatch"]["build"]["exclude"]

    def excluded(path: str) -> bool:
        return any(fnmatch(Path(path).name, pattern) for pattern in left_out)

    for name in ("attention.py.orig", "a.py.rej", "a.py.bak", "a.py~", ".a.py.swp"):
        assert excluded(f"archspec/bench/{name}"), name
    assert not [path for path in tracked() if excluded(path)]
