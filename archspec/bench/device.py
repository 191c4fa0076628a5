"""The device that is measured on: its name, its clock, what it can copy in a second."""

from __future__ import annotations

import importlib.util
import os
import platform
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from .timing import Times, in_turns, take_turns

Call = Callable[[], Any]

PEERS = {
    "flash-attn": "flash_attn",
    "flash-attn-3": "flash_attn_interface",
    "flash-linear-attention": "fla",
    "liger-kernel": "liger_kernel",
    "transformers": "transformers",
}
"""Peers that may be installed, by the name of the distribution, and what they are imported as."""

ROUNDS = (7, 40)
"""How many rounds a race has: the fewest, and the most."""

SECONDS = 0.5
"""What a race may take, where its fewest rounds take no longer."""


def device() -> torch.device:
    """The GPU, or the CPU where there is none."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def installed(name: str) -> bool:
    """Whether the peer of that name in `PEERS` can be imported."""
    try:
        return importlib.util.find_spec(PEERS[name]) is not None
    except ImportError:
        return False


def missing() -> list[str]:
    """The peers that are not installed."""
    return [name for name in PEERS if not installed(name)]


def machine() -> dict[str, Any]:
    """What the numbers were measured on."""
    facts: dict[str, Any] = {
        "cpu": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "triton": _version("triton"),
        "peers": {name: _version(name) for name in PEERS if installed(name)},
        "gpu": None,
    }
    if torch.cuda.is_available():
        properties: Any = torch.cuda.get_device_properties(0)
        facts |= {
            "gpu": properties.name,
            "gpu_memory": properties.total_memory,
            "processors": properties.multi_processor_count,
            "capability": list(torch.cuda.get_device_capability()),
            "cuda": torch.version.cuda,
            "hip": torch.version.hip,
        }
    return facts


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


class Stopwatch:
    """Times contenders in turns: on a GPU by events, its L2 flushed before each, else by clock."""

    def __init__(self, seconds: float = SECONDS) -> None:
        self.seconds = seconds
        self.on_gpu = torch.cuda.is_available()
        if self.on_gpu:
            properties: Any = torch.cuda.get_device_properties(0)
            size = max(256 << 20, 2 * int(getattr(properties, "L2_cache_size", 0)))
            self.sweep = torch.empty(size, dtype=torch.int8, device="cuda")

    def race(self, contenders: dict[str, Call]) -> Times:
        """The seconds of each, over as many rounds as there is time for."""
        prepared = {name: (lambda work=work: work) for name, work in contenders.items()}
        if not self.on_gpu:
            once = take_turns(prepared, 1, "wall")
            return take_turns(prepared, self._rounds(once), "wall")
        once = in_turns(prepared, 1, self._events)
        return in_turns(prepared, self._rounds(once), self._events)

    def _rounds(self, once: Times) -> int:
        spent = sum(sum(taken) for taken in once.rounds.values())
        return min(ROUNDS[1], max(ROUNDS[0], int(self.seconds / max(spent, 1e-6))))

    def _events(self, work: Call) -> float:
        start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        self.sweep.zero_()
        start.record()
        work()
        end.record()
        torch.cuda.synchronize()
        return start.elapsed_time(end) / 1e3


def graphed(work: Call) -> tuple[Call, bool]:
    """`work` as one CUDA graph, without the time that Python takes; itself where that fails.

    Says also whether it is a graph.
    """
    if not torch.cuda.is_available():
        return work, False
    graph = torch.cuda.CUDAGraph()
    try:
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(2):
                work()
        torch.cuda.current_stream().wait_stream(stream)
        torch.cuda.synchronize()
        with torch.cuda.graph(graph):
            kept = work()
    except Exception as error:
        print(f"no CUDA graph: {first_line(error)}", file=sys.stderr)
        torch.cuda.synchronize()
        return work, False

    def replay() -> Any:
        graph.replay()
        return kept

    return replay, True


def copy_bandwidth(watch: Stopwatch) -> float:
    """Bytes read and written a second by a copy of 1 GiB, or of 64 MiB on a CPU."""
    size = 1 << 30 if watch.on_gpu else 64 << 20
    source = torch.randint(-128, 128, (size,), dtype=torch.int8, device=device())
    target = torch.empty_like(source)
    times = watch.race({"copy": lambda: target.copy_(source)})
    return 2 * size / times.median("copy")


def first_line(error: BaseException) -> str:
    """What an error says, in a line."""
    lines = [line for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0][:300] if lines else ''}"
