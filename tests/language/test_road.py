"""The road from text to `Architecture` is one list of steps, each knowing only those before it."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

import pytest

from archspec.architecture import resolve
from archspec.architecture.resolve import STEPS

ROOT = Path(resolve.__file__).parents[2]
MODULES = [step.__module__ for step in STEPS]
LANGUAGE = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for path in (ROOT / "archspec" / "language").rglob("*.py")
    if path.name != "__init__.py"
)


def imports(module: str) -> Iterator[str]:
    """The modules of archspec that `module` imports, wherever in it, types included."""
    path = ROOT / (module.replace(".", "/") + ".py")
    path = path if path.exists() else ROOT / module.replace(".", "/") / "__init__.py"
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("archspec"):
            package = ROOT / str(node.module).replace(".", "/")
            for name in node.names:
                inner = (package / f"{name.name}.py").exists()
                yield f"{node.module}.{name.name}" if inner else str(node.module)


def reached(module: str) -> set[str]:
    """All modules of archspec that are imported when `module` is."""
    found, waiting = set[str](), [module]
    while waiting:
        for other in imports(waiting.pop()):
            if other not in found:
                found.add(other)
                waiting.append(other)
    return found


def parts(hint: Any) -> set[Any]:
    """The types in a union."""
    return set(get_args(hint)) if isinstance(hint, UnionType) else {hint}


def test_each_step_has_a_module_of_its_own() -> None:
    assert len(set(MODULES)) == len(STEPS) == 6


@pytest.mark.parametrize("at", range(len(STEPS)), ids=[step.__name__ for step in STEPS])
def test_no_step_knows_a_later_one_or_the_words_of_messages(at: int) -> None:
    known = reached(MODULES[at])
    assert not known & set(MODULES[at + 1 :])
    assert "archspec.architecture.resolve" not in known
    assert not [name for name in known if name.startswith("archspec.language.wording")]


def test_each_step_reads_what_earlier_ones_made() -> None:
    made: set[Any] = {str}
    for step in STEPS:
        hints = get_type_hints(step)
        result = hints.pop("return")
        assert all(parts(hint) <= made for hint in hints.values()), step.__name__
        made |= {part for part in parts(result) if get_origin(part) is not tuple}
    assert resolve.Architecture in made and resolve.ModelSpec in made


def test_each_step_is_entered_once_in_the_order_of_the_list() -> None:
    entered = [name for name in in_order(resolve.follow) if name in {s.__name__ for s in STEPS}]
    assert entered == [step.__name__ for step in STEPS if step is not resolve.parse]


def in_order(function: Callable[..., Any]) -> list[str]:
    """The names that `function` calls, from top to bottom."""
    found = [
        (node.lineno, node.col_offset, node.func.id)
        for node in ast.walk(ast.parse(inspect.getsource(function)))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    ]
    return [name for *_, name in sorted(found)]


def test_the_language_knows_nothing_of_code_and_figures() -> None:
    lines = [f"import {name}" for name in LANGUAGE]
    lines += ["import sys", "print(*[m for m in sys.modules if m.startswith('archspec.')])"]
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, check=True
    )
    loaded = done.stdout.split()
    assert set(LANGUAGE) <= set(loaded)
    apart = ("codegen", "draw", "kernels", "numbers", "importers", "output", "cli", "bench")
    assert not [name for name in loaded if name.split(".")[1] in apart]


def test_files_of_the_language_stay_small() -> None:
    sizes = sorted(
        len((ROOT / (name.replace(".", "/") + ".py")).read_text(encoding="utf-8").splitlines())
        for name in LANGUAGE
    )
    assert sizes[-1] <= 250 and sizes[len(sizes) // 2] <= 130
