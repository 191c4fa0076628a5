"""What `build` gives back: the same bytes each time, clean, and nothing injected."""

from __future__ import annotations

import ast
import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import ROOT, SPECS, Builder, small_text
from cover import few
from plain_files import write_plain

import archspec
from archspec.codegen import build, package_name
from archspec.output.lock import LOCK

TINY = (ROOT / "examples/tiny.yaml").read_text(encoding="utf-8")
DIGEST = """
import json, sys, archspec
from archspec.codegen import build
for path in sys.argv[1:]:
    text = open(path, encoding="utf-8").read()
    print(json.dumps(build(archspec.loads(text), text, "spec.yaml"), sort_keys=True))
"""


def test_builds_are_the_same_under_another_hash_seed_locale_and_time_zone(builder: Builder) -> None:
    paths = [path for path in SPECS if path.parent.name != "gallery"]
    elsewhere = {"PYTHONHASHSEED": "77", "LC_ALL": "tr_TR.UTF-8", "LANG": "tr_TR"}
    assert os.environ.get("PYTHONHASHSEED", "random") != elsewhere["PYTHONHASHSEED"]
    done = subprocess.run(
        [sys.executable, "-c", DIGEST, *map(str, paths)],
        env=os.environ | elsewhere | {"TZ": "Asia/Kathmandu"},
        capture_output=True,
        text=True,
        check=True,
    )
    for path, line in zip(paths, done.stdout.splitlines(), strict=True):
        here = builder.write(path.read_text(encoding="utf-8"))
        there = {name: text.encode() for name, text in json.loads(line).items()}
        files = [p for p in here.rglob("*") if p.is_file() and p.suffix != ".pyc"]
        assert {str(p.relative_to(here)): p.read_bytes() for p in files} == there, path


@pytest.fixture(scope="module")
def packages(builder: Builder) -> list[Path]:
    """The package of every example, and of every gallery spec made small."""
    return [builder.write(small_text(path)) for path in SPECS]


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the plain file of every spec, of gallery specs as published."""
    folder = tmp_path_factory.mktemp("plain")
    for path in SPECS:
        write_plain(path.read_text(encoding="utf-8"), folder)
    return folder


def test_ruff_finds_nothing(packages: list[Path], plain: Path) -> None:
    for command in (["check"], ["format", "--check", "--line-length", "100"]):
        ruff([*packages, plain], *command, "--isolated")


@pytest.mark.parametrize("chosen", [few, pytest.param(list, marks=pytest.mark.slow)])
def test_pyright_finds_nothing(
    packages: list[Path],
    plain: Path,
    tmp_path: Path,
    chosen: Callable[[list[Path]], list[Path]],
) -> None:
    """In packages that cover what all have and in plain files; in a sweep in all packages."""
    read = [*chosen(packages), plain]
    settings = {"typeCheckingMode": "standard", "pythonVersion": "3.11"}
    settings |= {"include": list(map(str, read))}
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(settings), encoding="utf-8")
    command = [sys.executable, "-m", "basedpyright", "--pythonpath", sys.executable]
    done = subprocess.run(
        [*command, "--outputjson", "--project", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    found = json.loads(done.stdout)
    assert done.returncode == 0, found["generalDiagnostics"]
    assert found["summary"]["filesAnalyzed"] == sum(len([*p.rglob("*.py")]) for p in read)


def ruff(folders: list[Path], *command: str) -> None:
    """Nothing is found in any of them."""
    done = subprocess.run(
        [sys.executable, "-m", "ruff", *command, "--no-cache", *folders],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_the_lock_has_the_hash_of_every_file() -> None:
    files = build(archspec.loads(TINY), TINY, "tiny.yaml")
    lock = json.loads(files[LOCK])
    hashes = {p: hashlib.sha256(t.encode()).hexdigest() for p, t in files.items() if p != LOCK}
    assert lock["files"] == hashes


def test_the_package_holds_the_spec_as_written() -> None:
    text = "# a comment of mine\n" + TINY
    assert build(archspec.loads(text), text, "tiny.yaml")["spec.yaml"] == text


PAYLOADS = [
    '"""\nimport os\nos.system("x")\n"""',
    "'''; import os",
    "# \\\r import os",
    "{{ 7 * 7 }} {% raw %}",
    "<script>alert(1)</script>",
    "](javascript:alert(1))",
    "\u2028import os",
    "`rm -rf` | x",
]


@pytest.mark.parametrize("payload", PAYLOADS)
@pytest.mark.parametrize("field", ["title", "summary", "organization"])
def test_free_text_never_becomes_code(field: str, payload: str) -> None:
    """The Python of a package is that of its harmless twin, whatever the free text says."""
    line = f"title: {json.dumps(payload)}" if field == "title" else ""
    about = f"about: {{{field}: {json.dumps(payload)}}}" if field != "title" else ""
    text = f"{TINY}\n{line}\n{about}\n"
    try:
        architecture = archspec.loads(text)
    except archspec.SpecError:
        return
    files = build(architecture, text, "tiny.yaml")
    twin = build(archspec.loads(TINY), TINY, "tiny.yaml")
    for path in twin:
        if path.endswith(".py"):
            assert ast.dump(ast.parse(files[path])) == ast.dump(ast.parse(twin[path])), path
    assert "<script" not in files["README.md"] and "<script" not in files["figure.svg"]
    assert not re.search(r"(?<!\\)\]\(javascript", files["README.md"])


def test_a_file_name_never_becomes_code() -> None:
    files = build(archspec.loads(TINY), TINY, 'a\n"""\nimport antigravity\n.yaml')
    for path, text in files.items():
        if path.endswith(".py"):
            ast.parse(text)
            assert "\nimport antigravity\n" not in text


def test_ruff_finds_nothing_by_the_packages_own_settings(packages: list[Path]) -> None:
    for command in (["check"], ["format", "--check"]):
        ruff(packages, *command)


@pytest.mark.parametrize(
    ("name", "package"),
    [("qwen3-0.6b", "qwen3_0_6b"), ("7b", "m_7b"), ("class", "m_class"), ("match", "m_match")],
)
def test_package_names_can_be_imported(name: str, package: str) -> None:
    assert package_name(name) == package
    assert package.isidentifier()


def test_two_packages_with_experts_live_in_one_process(builder: Builder) -> None:
    text = (ROOT / "examples/sparse.yaml").read_text(encoding="utf-8")
    one = builder.load(text)
    two = builder.load(text.replace("name: sparse", "name: sparse-too"))
    assert one.Model is not two.Model


def test_schedule_reads_as_the_spec() -> None:
    text = (ROOT / "gallery/gemma-3-27b.yaml").read_text(encoding="utf-8")
    model = build(archspec.loads(text), text, "x.yaml")["model.py"]
    assert "LAYERS = 10 * (5 * [LocalLayer] + [GlobalLayer]) + 2 * [LocalLayer]" in model
