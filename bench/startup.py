"""How long whole commands take beside `import torch`, interleaved: medians and ratios.

Compiled modules and templates are kept as Python keeps them by default, whatever
PYTHONDONTWRITEBYTECODE says here: what is measured is a command that was run before.

.venv/bin/python bench/startup.py [--rounds 7]
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
SPEC = str(ROOT / "gallery/gemma-3-270m.yaml")
LIMITS = {"--help": 1 / 5, "check": None, "inspect": None, "draw": 1 / 3, "build": 1 / 2}


def seconds(command: list[str], folder: str) -> float:
    """Wall time of one process, from start to exit."""
    start = time.perf_counter()
    keeping = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    subprocess.run(command, cwd=folder, check=True, capture_output=True, env=keeping)
    return time.perf_counter() - start


def main() -> None:
    """Time every command in turn, several rounds, and print a table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    archspec = [sys.executable, "-m", "archspec"]
    commands = {
        "import torch": [sys.executable, "-c", "import torch"],
        "--help": [*archspec, "--help"],
        "check": [*archspec, "check", SPEC],
        "inspect": [*archspec, "inspect", SPEC],
        "draw": [*archspec, "draw", SPEC, "-o", "figure.svg"],
        "build": [*archspec, "build", SPEC],
    }
    times: dict[str, list[float]] = {name: [] for name in commands}
    for round_ in range(rounds + 1):
        for name, command in commands.items():
            with tempfile.TemporaryDirectory() as folder:
                taken = seconds(command, folder)
            if round_:  # the first round only warms the disk
                times[name].append(taken)
    torch = statistics.median(times["import torch"])
    print(f"{'command':14}{'median s':>10}{'of torch':>10}{'at most':>10}")
    for name, taken in times.items():
        median = statistics.median(taken)
        limit = LIMITS.get(name)
        shown = f"{limit:.2f}" if limit else ""
        print(f"{name:14}{median:10.3f}{median / torch:10.2f}{shown:>10}")


if __name__ == "__main__":
    main()
