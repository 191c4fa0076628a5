"""`make mechanism` writes a mixer that passes the contract as it stands."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

HOLDING = ("test_contract.py", "test_definition.py", "test_flops.py")
SOME = "state_dict or bytes or prefill or warm or leak or gradients or flops or module_s or field"


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what the contract needs, with a mechanism more."""
    place = tmp_path_factory.mktemp("checkout")
    for folder in ("archspec", "examples", "tools"):
        shutil.copytree(ROOT / folder, place / folder, ignore=shutil.ignore_patterns("__pycache__"))
    (place / "tests/mechanisms").mkdir(parents=True)
    for path in (ROOT / "tests").glob("*.py"):
        if not path.name.startswith("test_"):
            shutil.copy(path, place / "tests")
    for name in HOLDING:
        if (ROOT / "tests/mechanisms" / name).exists():
            shutil.copy(ROOT / "tests/mechanisms" / name, place / "tests/mechanisms")
    shutil.copy(ROOT / "pyproject.toml", place)
    made = run(place, "tools/mechanism", "delay_line")
    assert made.returncode == 0, made.stdout + made.stderr
    return place


def run(place: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    own = {"PYTHONPATH": str(place), "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, *arguments]
    return subprocess.run(
        command, cwd=place, env={**os.environ, **own}, capture_output=True, text=True, check=False
    )


def test_a_new_mechanism_passes_the_contract(checkout: Path) -> None:
    chosen = f"(delay_line and ({SOME})) or definition and delay_line"
    options = ("-q", "-p", "no:cacheprovider", "-k", chosen)
    done = run(checkout, "-m", "pytest", *options, "tests/mechanisms")
    assert done.returncode == 0, done.stdout[-3000:]
    assert "passed" in done.stdout


def test_its_files_are_clean_and_say_its_own_name(checkout: Path) -> None:
    folder = checkout / "archspec/mechanisms/mixers/delay_line"
    for arguments in (["check"], ["format", "--check"]):
        registry = "archspec/mechanisms/__init__.py"
        done = run(checkout, "-m", "ruff", *arguments, "--no-cache", str(folder), registry)
        assert done.returncode == 0, done.stdout
    ours = {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}
    another = ROOT / "archspec/mechanisms/mixers/rg_lru"
    assert {Path(name.name) for name in another.iterdir() if name.suffix} <= ours
    for path in ours:
        assert "leaky" not in (folder / path).read_text(encoding="utf-8").lower()


@pytest.mark.parametrize("name", ["mamba", "moe", "DelayLine", "2d", "a-b", "../x", ""])
def test_names_that_cannot_be_are_refused(checkout: Path, name: str) -> None:
    before = (checkout / "archspec/mechanisms/__init__.py").read_bytes()
    done = run(checkout, "tools/mechanism", name)
    assert done.returncode == 2 and ("taken" in done.stdout or "expected one name" in done.stdout)
    assert (checkout / "archspec/mechanisms/__init__.py").read_bytes() == before
