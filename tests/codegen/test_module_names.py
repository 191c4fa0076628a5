"""Folders of packages: none stands in for a module that others need, and files say their names."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest
from conftest import ROOT, Builder, Case

import archspec
from archspec.cli import main
from archspec.codegen import build, default_folder, import_name
from archspec.codegen.modules import TAKEN

TINY = (ROOT / "examples/tiny.yaml").read_text(encoding="utf-8")
NAMES = ["torch", "triton", "numpy", "json", "safetensors", "jinja2", "aten", "prims", "imp", "cgi"]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "spec.yaml").write_text(TINY)
    return tmp_path


@pytest.mark.parametrize("name", NAMES)
def test_a_model_of_a_module_s_name_has_another_folder(name: str) -> None:
    assert default_folder(name) == f"{name}_model"


def test_other_names_are_kept() -> None:
    assert default_folder("tiny-0.6b") == "tiny_0_6b"
    assert default_folder("torch-like") == "torch_like"


@pytest.mark.parametrize("name", NAMES)
def test_a_folder_of_a_module_s_name_is_refused(
    name: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["build", "spec.yaml", "-o", name]) == 2
    message = capsys.readouterr().err
    assert f"in place of the module {name}," in message
    assert f"-o, like {name}_model" in message
    assert not (here / name).exists()


def test_inside_of_a_package_such_a_name_is_fine(here: Path) -> None:
    (here / "mine").mkdir()
    (here / "mine/__init__.py").touch()
    assert import_name(here / "mine/json") == "mine.json"
    assert import_name(here / "mine") == "mine"
    assert import_name(here / "my-model") is None
    assert import_name(here / "class") is None
    assert import_name(here / "größe") is None


def test_no_module_of_a_package_has_a_taken_name(case: Case) -> None:
    """Files lie in the folder that is first on the path of a script beside them."""
    assert not {path.stem for path in case.folder.glob("*.py")} & TAKEN


def test_a_package_says_what_its_folder_is_called(here: Path) -> None:
    assert main(["build", "spec.yaml", "-o", "other"]) == 0
    assert main(["build", "spec.yaml"]) == 0
    assert main(["build", "spec.yaml", "-o", "other", "--check"]) == 0
    readme = (here / "other/README.md").read_text()
    assert "from other import Model" in readme
    assert "`python -m other.selftest`" in readme
    assert "`python -m other.generate --help`" in readme
    for path in sorted((here / "other").rglob("*.*")):
        if path.name != "archspec.lock":
            text = path.read_text().replace("from other import", "from tiny import")
            text = text.replace("python -m other.", "python -m tiny.")
            place = path.relative_to(here / "other")
            assert text == (here / "tiny" / place).read_text(), place


def test_help_names_the_package_wherever_it_was_put(here: Path) -> None:
    assert main(["build", "spec.yaml"]) == 0
    (here / "mine").mkdir()
    (here / "mine/__init__.py").touch()
    (here / "tiny").rename(here / "mine/moved")
    command = [sys.executable, "-m", "mine.moved.generate", "--help"]
    done = subprocess.run(command, cwd=here, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("usage: python -m mine.moved.generate ")


def test_operators_of_two_packages_never_meet(builder: Builder) -> None:
    """Their names are those of the packages, and none is one of PyTorch's own."""
    path = builder.write(TINY) / "operators.py"
    found: list[str] = []
    for name in ("a.b", "a_b", "aten", "prims", "größe", "grösse"):
        spec = spec_from_file_location(f"{name}.operators", path)
        assert spec is not None and spec.loader is not None
        module = module_from_spec(spec)
        spec.loader.exec_module(module)
        found.append(module.NAMESPACE)
    assert len(set(found)) == len(found)
    assert not {"aten", "prims"} & set(found)
    assert all(namespace.isascii() and namespace.isidentifier() for namespace in found)


def test_a_folder_s_name_changes_nothing_where_it_is_the_model_s() -> None:
    architecture = archspec.loads(TINY)
    assert build(architecture, TINY, "a.yaml") == build(architecture, TINY, "a.yaml", "tiny")
