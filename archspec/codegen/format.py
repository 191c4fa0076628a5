"""ruff over the rendered files: imports sorted and trimmed, lines wrapped."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

from ruff import find_ruff_bin

from archspec.output.place import put_files

_COMMON = ["--isolated", "--no-cache", "--quiet", "--target-version", "py311"]
# Imports are broken where ruff's own line length asks for it, so that both find them in order.
# What is left of a longer list of names stands in one line where it fits.
_IMPORTS = ["line-length=88", "lint.isort.split-on-trailing-comma=false"]
_COMMANDS = [
    ["check", *_COMMON, "--fix", "--select", "F401,I001", *(f"--config={x}" for x in _IMPORTS)],
    ["format", *_COMMON, "--line-length", "100"],
]
SETTINGS = "line-length = 100\n"
"""The package's own ruff.toml, so that ruff finds nothing in it wherever it lies."""


def format_python(files: dict[str, str]) -> dict[str, str]:
    """The `.py` files of a package in ruff's format; a failure is a fault of our templates."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        put_files(files, root)
        for command in _COMMANDS:
            done = subprocess.run(
                [find_ruff_bin(), *command, "."],
                cwd=root,
                capture_output=True,
                text=True,
                encoding="utf-8",
                check=False,
            )
            assert done.returncode == 0, (
                f"a template rendered bad Python:\n{done.stdout}{done.stderr}"
            )
        return {path: (root / path).read_text(encoding="utf-8") for path in files}
