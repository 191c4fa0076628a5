"""A package built and timed on this machine, and the record of it."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from archspec import __version__
from archspec.architecture.model import Architecture
from archspec.bench.jobs import Tell, say
from archspec.bench.subjects import facts, put_package
from archspec.errors import ArchspecError
from archspec.output.file import need_room

SIDES = 5
"""How often a CPU holds the weights: their own, gradients, and what is made beside them."""


def benchmark(
    architecture: Architecture,
    text: str,
    name: str,
    seconds: int,
    record: str | None,
    force: bool = False,
    tell: Tell | None = None,
) -> tuple[dict[str, Any], Path | None]:
    """What was measured within about `seconds`, and the file that it was written to.

    `record` is a file or a folder; `tell` is given lines on what is done now. Raises
    `ArchspecError` where torch is missing, where the model does not fit into memory, and where
    the record cannot be written or, unless `force`, is there already.
    """
    if find_spec("torch") is None:
        raise ArchspecError(
            "timing a package needs torch, which is not installed\n  help: pip install torch"
        )
    if os.environ.get("TRITON_INTERPRET") == "1":
        raise ArchspecError(
            "TRITON_INTERPRET=1 is set, with which kernels are too slow to time\n  help: unset it"
        )
    from archspec.bench.device import machine
    from archspec.bench.run import Options, run

    here = machine()
    if here["gpu"] is None:
        _need_memory(architecture)
    path = _record(architecture, record, here["gpu"], force)
    about = {"archspec": __version__, "commit": commit(), "spec": architecture.name}
    (tell or say)(f"building {architecture.name}")
    with tempfile.TemporaryDirectory() as folder:
        package = put_package(architecture, text, name, Path(folder))
        options = Options(seconds, path, about, tell=tell or say)
        return run([package], options), path


def commit() -> str | None:
    """The commit of the archspec that runs, where it runs from a checkout."""
    command = ["git", "rev-parse", "HEAD"]
    here = Path(__file__).parent
    try:
        done = subprocess.run(command, cwd=here, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


def _need_memory(architecture: Architecture) -> None:
    needed = SIDES * 4 * facts(architecture)["parameters"]
    info = Path("/proc/meminfo")
    found = re.search(r"MemAvailable:\s+(\d+) kB", info.read_text()) if info.exists() else None
    if found and needed > int(found[1]) * 1024:
        raise ArchspecError(
            f"{architecture.name}: there is no GPU, and to time it here takes about"
            f" {needed / 2**30:,.0f} GiB of memory\n"
            "  help: archspec shrink writes the same structure at a size that runs anywhere"
        )


def _record(
    architecture: Architecture, record: str | None, gpu: str | None, force: bool
) -> Path | None:
    if record is None:
        return None
    path = Path(record)
    if path.is_dir():
        from datetime import UTC, datetime

        date = datetime.now(UTC).strftime("%Y-%m-%d")
        kind = re.sub(r"[^a-z0-9]+", "-", (gpu or "cpu").lower()).strip("-")
        path = path / f"{architecture.name}-{kind}-{date}.json"
    need_room(path, force)
    try:
        path.touch()
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ArchspecError(f"{path}: cannot be written: {reason}") from None
    return path
