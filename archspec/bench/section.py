"""One section of one package in a process of its own: `python -m bench.section rows packages/x`."""

from __future__ import annotations

import argparse
import importlib
import warnings
from pathlib import Path
from typing import Any

from .package import load
from .race import Bench

SECTIONS = ("checks", "attention", "decode", "rows", "model")


def main() -> None:
    """Run it, each row appended to a file as soon as it is known."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("section", choices=SECTIONS)
    parser.add_argument("package", type=Path)
    parser.add_argument("--rows", type=Path, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--warm", action="store_true", help="compile only")
    parser.add_argument("--tests", nargs="*", default=[])
    given = parser.parse_args()
    # What peers warn of is theirs, and a peer that cannot is named in the row.
    warnings.simplefilter("ignore")
    bench = Bench(given.rows, given.seconds, given.warm, given.section, given.package.name)
    bench.only = given.tests
    module: Any = importlib.import_module(f".{given.section}", __package__)
    module.run(load(given.package), bench)


if __name__ == "__main__":
    main()
