"""`import archspec` offers what the commands do, as values, and imports little to do so."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from conftest import ROOT

import archspec

TINY = ROOT / "examples/tiny.yaml"
COMMANDS = ["load", "draw", "inspect", "build", "diff"]


def command(*arguments: str) -> bytes:
    done = subprocess.run(
        [sys.executable, "-m", "archspec", *arguments], capture_output=True, check=False
    )
    return done.stdout


def test_each_gives_what_its_command_does() -> None:
    model, other = archspec.load(TINY), archspec.load(ROOT / "examples/local-global.yaml")
    found = archspec.inspect(model, context=128).to_dict()
    assert found == json.loads(command("inspect", str(TINY), "--context", "128", "--json"))
    differs = archspec.diff(TINY, ROOT / "examples/local-global.yaml")
    assert differs == archspec.diff(model, other) and differs.changes
    printed = command("diff", str(TINY), str(ROOT / "examples/local-global.yaml"), "--json")
    assert differs.to_dict() == json.loads(printed)
    files = archspec.build(TINY)
    assert files["spec.yaml"] == TINY.read_text(encoding="utf-8") and "model.py" in files
    assert "kernels/attention.py" in files and "paged.py" not in files
    more = archspec.build(TINY, package="mine", extras=["paged"])
    assert len(more) > len(files) and "from mine import" in more["README.md"]


def test_what_is_asked_for_wrongly_is_said() -> None:
    with pytest.raises(archspec.ArchspecError, match="cannot draw 'gif'"):
        archspec.draw(TINY, "gif")
    with pytest.raises(archspec.ArchspecError, match="pages: there is no such part"):
        archspec.build(TINY, extras=["pages"])
    with pytest.raises(archspec.ArchspecError, match="unknown dtype 'int3'"):
        archspec.inspect(TINY, dtype="int3")


def test_a_notebook_shows_a_spec_as_its_figure() -> None:
    model = archspec.load(TINY)
    assert model._repr_svg_().encode() == archspec.draw(model) == archspec.draw(TINY)


def test_draw_is_what_it_is_called_before_and_after_its_module_is_imported() -> None:
    code = (
        "import archspec, sys\n"
        f"one = archspec.draw({str(TINY)!r}, theme='dark')\n"
        "import archspec.draw\n"
        f"assert archspec.draw({str(TINY)!r}, theme='dark') == one\n"
        "assert b'<svg' in one and 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_importing_it_imports_nothing_heavy() -> None:
    code = (
        "import sys; before = set(sys.modules); import archspec\n"
        f"assert all(callable(getattr(archspec, name)) for name in {COMMANDS})\n"
        "assert set(dir(archspec)) >= set(archspec.__all__)\n"
        "print(*sorted({m.partition('.')[0] for m in set(sys.modules) - before}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"torch", "pydantic", "jinja2", "yaml", "typer", "rich", "pygraphviz", "numpy"}
    assert not heavy & set(done.stdout.split())
