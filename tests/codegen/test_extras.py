"""What a package has only where it is asked for, and how its folder remembers that."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import archspec
from archspec.cli import main
from archspec.codegen import build
from archspec.output.package import write_package

SPEC = """
archspec: 1
name: served
vocab_size: 64
hidden_size: 32
context_length: 64
norm: {type: rmsnorm}
blocks:
  only:
    mixer: {type: attention, heads: 2, kv_heads: 1, head_dim: 64, rope: {theta: 10000}}
    feedforward: {type: dense, hidden_size: 32, activation: silu, gated: true}
layers: only
head: {tied: true}
"""
PAGED = {"paged.py", "kernels/paged.py"}
GLUON = {"kernels/attention_hopper.py"}
FLAT = ("launch.py", "norm_kernels.py", "paged_kernels.py", "attention_hopper_kernels.py")


@pytest.fixture
def spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    Path("served.yaml").write_text(SPEC, encoding="utf-8")
    return "served.yaml"


def there() -> set[str]:
    """Which of these files the package has."""
    return {path for path in PAGED | GLUON if (Path("served") / path).exists()}


def test_a_package_has_what_it_is_asked_for_and_keeps_it(spec: str) -> None:
    assert main(["build", spec]) == 0
    assert there() == set()
    assert '"gluon"' not in Path("served/kernels/__init__.py").read_text()
    assert main(["build", spec, "--check", "--with", "paged"]) == 1
    assert main(["build", spec, "--with", "paged"]) == 0
    assert there() == PAGED
    for command in (["build", spec, "--check"], ["build", spec]):
        assert main(command) == 0
        assert there() == PAGED
    assert main(["build", spec, "--with", "paged,gluon"]) == 0
    assert there() == PAGED | GLUON
    lock = json.loads(Path("served/archspec.lock").read_text())
    assert lock["with"] == ["gluon", "paged"]
    assert '"gluon"' in Path("served/kernels/__init__.py").read_text()
    assert main(["build", spec, "--with", "none"]) == 0
    assert there() == set()
    assert "with" not in json.loads(Path("served/archspec.lock").read_text())


@pytest.mark.parametrize(
    ("given", "said"),
    [("pages", "did you mean paged?"), ("paged,hopper", "--with gluon,paged"), ("", "none")],
)
def test_what_there_is_not_is_refused(
    given: str, said: str, spec: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["build", spec, "--with", given]) == 2
    error = capsys.readouterr().err
    assert "there is no such part" in error and said in error
    assert "gluon: attention's forward pass" in error
    assert not Path("served").exists()


def test_a_folder_with_kernels_beside_the_model_is_tidied(spec: str) -> None:
    """As versions before this one wrote them."""
    files = build(archspec.loads(SPEC), SPEC, spec)
    flat = {path: text for path, text in files.items() if "/" not in path}
    del flat["archspec.lock"]
    write_package(flat | dict.fromkeys(FLAT, "# old\n"), Path("served"))
    assert main(["build", spec]) == 0
    assert not any((Path("served") / path).exists() for path in FLAT)
    assert Path("served/kernels/norm.py").exists()
