"""Peak memory of one training step, each side in a process of its own.

The number is the process's largest resident set while it makes the model and trains one step,
less what it held before the model: weights, gradients, activations and whatever the loss keeps.
Large tensors are mapped and unmapped by the allocator one by one, so the set follows them.

.venv/bin/python bench/memory.py    # the table of all shapes
"""

from __future__ import annotations

import importlib
import json
import resource
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from shapes import SHAPES, Shape

VOCABULARY, TOKENS = 128_000, 2048
UNITS = 1024 if sys.platform != "darwin" else 1  # of ru_maxrss, in bytes


def peak_memory(shape: Shape, folder: Path) -> dict[str, Any]:
    """Mebibytes of both sides and their ratio, as a row; prints it."""
    big = replace(shape, changes=shape.changes | {"vocab_size": VOCABULARY})
    found = {side: run(side, big, folder) for side in ("ours", "transformers")}
    ratio = found["ours"] / found["transformers"]
    print(
        f"{shape.name:18}{'peak memory':16}{found['ours']:10.0f}{found['transformers']:10.0f} MiB"
        f"{ratio:7.2f}x",
        flush=True,
    )
    return {
        "shape": shape.name,
        "vocabulary": VOCABULARY,
        "tokens": TOKENS,
        "mebibytes": {side: round(size) for side, size in found.items()},
        "ratio": round(ratio, 3),
    }


def run(side: str, shape: Shape, folder: Path) -> float:
    """The mebibytes that a fresh process reports."""
    arguments = [side, shape.family, shape.size, json.dumps(shape.changes), str(folder)]
    command = [sys.executable, __file__, *arguments]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return float(done.stdout)


def measure(side: str, shape: Shape, folder: Path) -> float:
    """Mebibytes that one step takes in this process."""
    import torch
    from sides import ids, transformers_model, write_package
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    tokens = ids(TOKENS)
    if side == "ours":
        name = write_package(shape, CONFIG_MAPPING[shape.family](**shape.options()), folder)
        sys.path.insert(0, str(folder))
        package: Any = importlib.import_module(name)
        before = resident()
        torch.manual_seed(0)
        package.Model()(tokens, labels=tokens).backward()
    else:
        before = resident()
        model: Any = transformers_model(shape)
        model(tokens, labels=tokens, use_cache=False).loss.backward()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * UNITS
    return (peak - before) / 2**20


def resident() -> int:
    """The resident set of this process, in bytes."""
    pages = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[1])
    return pages * resource.getpagesize()


def main() -> None:
    """A table of all shapes; with arguments, the one number that `run` asks for."""
    if len(sys.argv) > 1:
        side, family, size, changes, folder = sys.argv[1:]
        print(measure(side, Shape(family, size, json.loads(changes)), Path(folder)))
        return
    with tempfile.TemporaryDirectory() as folder:
        print(f"{'shape':18}{'measure':16}{'ours':>10}{'theirs':>10}      {'ratio':>6}")
        for shape in SHAPES:
            peak_memory(shape, Path(folder))


if __name__ == "__main__":
    main()
