"""What compiling ahead of time says of every kernel of every gallery and example spec.

.venv/bin/python -m kernels.table        # in tests/: writes table.json anew, some minutes

A kernel that several specs share is compiled once. Each row says by `key` what it was compiled
from, so that writing the table again compiles only what changed, in any checkout; what a run that
was broken off has compiled is kept under out/.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import triton

import archspec
from archspec.codegen import ALL, build, package_name
from archspec.kernels.compile import compile_kernels

ROOT = Path(__file__).parents[2]
TABLE = Path(__file__).parent / "table.json"
KEPT = ROOT / "out" / "kernels-table.jsonl"
MEASURES = 1
"""To be raised where what is read off a binary changes, so that all are compiled anew."""

TARGETS = ("sm_80", "sm_90", "sm_100", "gfx942")
"""Those that the table has a column for: one of each kind of matrix instructions."""

COLUMNS = ("registers", "spills", "shared_memory", "wgmma", "matrix", "async_copies")
SPECS = sorted((ROOT / "examples").glob("*.yaml")) + sorted((ROOT / "gallery").glob("*.yaml"))

Row = dict[str, Any]


def identity(variant: Any) -> str:
    """What the row of a variant depends on: source, types, constants and options, in 64 bits."""
    sources: dict[str, str] = {}
    fixed: dict[str, str] = {}

    def visit(function: Any) -> None:
        if function.__name__ in sources:
            return
        sources[function.__name__] = function.src
        scope = function.fn.__globals__
        for name in function.fn.__code__.co_names:
            if hasattr(scope.get(name), "src"):
                visit(scope[name])
            elif isinstance(scope.get(name), triton.language.constexpr):
                fixed[name] = repr(scope[name])

    visit(variant.kernel)
    rest = [(name, value) for name, value in variant._asdict().items() if name != "kernel"]
    seen = (
        MEASURES,
        triton.__version__,
        sorted(sources.items()),
        sorted(fixed.items()),
        repr(rest),
    )
    return hashlib.sha256(repr(seen).encode()).hexdigest()[:16]


class Kept:
    """Rows by target and the identity of a kernel: of the table, and then of a file."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.rows: dict[str, Row] = {}
        if path:
            self.rows = of_table(json.loads(TABLE.read_text(encoding="utf-8"))["kernels"])
        if path and path.exists():
            for line in path.read_text(encoding="utf-8").splitlines():
                self.rows |= json.loads(line)

    def put(self, key: str, row: Row) -> None:
        """Keep a row."""
        self.rows[key] = row
        if self.path:
            self.path.parent.mkdir(exist_ok=True)
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps({key: row}) + "\n")


def of_table(kernels: dict[str, Row]) -> dict[str, Row]:
    """The rows of a table by what they are of."""
    found: dict[str, Row] = {}
    for kernel in kernels.values():
        found |= {
            f"{t} {kernel[t]['key']}": kernel[t] for t in TARGETS if "key" in kernel.get(t, {})
        }
    return found


def kernels_of(
    path: Path, target: str, kept: Kept, wanted: Callable[[str], bool] = lambda name: True
) -> dict[str, str]:
    """The key of the row of each kernel of a spec, by name; what is not kept is compiled."""
    text = path.read_text(encoding="utf-8")
    architecture = archspec.loads(text, path.name)
    files = build(architecture, text, path.name, extras=ALL)
    keys: dict[str, str] = {}
    new: dict[str, str] = {}

    def pick(variant: Any) -> bool:
        if not wanted(variant.name):
            return False
        key = f"{target} {identity(variant)}"
        assert keys.setdefault(variant.name, key) == key, f"two kernels are called {variant.name}"
        if key in kept.rows or key in new.values():
            return False
        new[variant.name] = key
        return True

    for compiled in compile_kernels(files, package_name(architecture.name), target, pick):
        said = compiled.to_dict()
        row = {"key": new[compiled.name].split()[1]} | {column: said[column] for column in COLUMNS}
        for extra in ("tensor_work", "spills_in_loops", "plain_products", "error"):
            row |= {extra: said[extra]} if said[extra] else {}
        kept.put(new[compiled.name], row)
    return keys


def table(kept: Kept) -> dict[str, Row]:
    """`spec kernel` → a row for each target; what is the same in other specs stands there once."""
    found: dict[tuple[str, ...], Row] = {}
    for path in SPECS:
        keys = {target: kernels_of(path, target, kept) for target in TARGETS}
        names = dict.fromkeys(name for own in keys.values() for name in own)
        for name in names:
            own = tuple(keys[target].get(name, "") for target in TARGETS)
            if own in found:
                found[own]["also"].append(path.stem)
                continue
            rows = {t: kept.rows[key] for t, key in zip(TARGETS, own, strict=True) if key}
            found[own] = {"name": f"{path.stem} {name}", "also": [], **rows}
        print(
            f"{path.stem}: {len(names)} kernels, {len(found)} so far", file=sys.stderr, flush=True
        )
    return {row.pop("name"): row for row in found.values()}


def written(rows: dict[str, Row]) -> str:
    """The table as JSON with a line for each kernel and target, so that a change is one line."""
    lines = ["{", f' "triton": {json.dumps(triton.__version__)},', ' "kernels": {']
    for number, (name, row) in enumerate(rows.items()):
        inner = [f"   {json.dumps(part)}: {json.dumps(value)}" for part, value in row.items()]
        comma = "," if number < len(rows) - 1 else ""
        lines += [f"  {json.dumps(name)}: {{", ",\n".join(inner), f"  }}{comma}"]
    return "\n".join([*lines, " }", "}", ""])


def main() -> None:
    """Write the table anew."""
    TABLE.write_text(written(table(Kept(KEPT))), encoding="utf-8")
    print(f"wrote {TABLE}")


if __name__ == "__main__":
    main()
