"""What a compiled kernel takes of a GPU of NVIDIA's, read off its binary.

Triton brings the program that reads it, cuobjdump.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from importlib import import_module
from pathlib import Path
from typing import Any

_INSTRUCTION = re.compile(r"^\s+/\*([0-9a-f]{4,})\*/\s+(.*?);", re.MULTILINE)
_BRANCH = re.compile(r"\bBRA\b.*\b0x([0-9a-f]+)\b")
_LOCAL = re.compile(r"\b(?:LDL|STL)\b")


def usage(cubin: bytes, folder: str) -> tuple[int, int]:
    """Registers of a thread, and bytes that it spills."""
    found = re.search(r"REG:(\d+) STACK:(\d+)", _read(cubin, "-res-usage", folder))
    assert found
    # The stack holds nothing else: these kernels call nothing and keep no arrays of their own.
    return int(found[1]), int(found[2])


def spills_in_loops(cubin: bytes, folder: str) -> int:
    """How many instructions of loops spill registers, or read what was spilled.

    Outside of loops it happens once for a program, which hardly shows.
    """
    return count_in_loops(_read(cubin, "-sass", folder))


def count_in_loops(sass: str) -> int:
    """The same for a text: what lies between a branch back and the place that it goes to."""
    lines = [(int(place, 16), text) for place, text in _INSTRUCTION.findall(sass)]
    loops: list[tuple[int, int]] = []
    for place, text in lines:
        branch = _BRANCH.search(text)
        if branch and int(branch[1], 16) < place:
            loops.append((int(branch[1], 16), place))
    local = [place for place, text in lines if _LOCAL.search(text)]
    return sum(any(first <= place <= last for first, last in loops) for place in local)


def _read(cubin: bytes, what: str, folder: str) -> str:
    nvidia: Any = import_module("triton.backends.nvidia")
    program = Path(nvidia.__path__[0]) / "bin" / "cuobjdump"
    with tempfile.NamedTemporaryFile(suffix=".cubin", dir=folder) as file:
        file.write(cubin)
        file.flush()
        done = subprocess.run(
            [str(program), what, file.name], capture_output=True, text=True, check=True
        )
    return done.stdout
