"""Compiled templates are kept as Python keeps modules, and never outlive what they are made of."""

from __future__ import annotations

import stat
import sys
from pathlib import Path

import pytest
from jinja2 import Environment, FileSystemLoader

from archspec.codegen.compiled import TemplateCache


@pytest.fixture
def template(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    monkeypatch.setattr(sys, "pycache_prefix", None)
    path = tmp_path / "some.py.jinja"
    path.write_text("one\n{% if true %}\n{% endif %}\n")
    path.chmod(0o640)
    return path


def rendered(path: Path, compiling: list[str] | None = None, **options: bool) -> str:
    """What a new process would make of the template; `compiling` notes each compilation."""

    class Noting(Environment):
        def _generate(self, *args: object, **kwargs: object) -> str:  # type: ignore[override]
            if compiling is not None:
                compiling.append(path.name)
            return super()._generate(*args, **kwargs)  # type: ignore[arg-type]

    made = Noting(
        loader=FileSystemLoader(path.parent), bytecode_cache=TemplateCache(repr(options)), **options
    )
    return made.get_template(path.name).render()


def kept(path: Path) -> list[Path]:
    return sorted((path.parent / "__pycache__").glob("*"))


def test_a_template_is_compiled_once(template: Path) -> None:
    compiling: list[str] = []
    assert rendered(template, compiling) == rendered(template, compiling)
    assert compiling == [template.name]
    assert [p.name for p in kept(template)] == [f"some.py.jinja.{sys.implementation.cache_tag}.pyc"]
    assert stat.S_IMODE(kept(template)[0].stat().st_mode) & 0o077 == 0o040


def test_another_text_and_other_options_are_compiled_anew(template: Path) -> None:
    before = rendered(template)
    assert rendered(template, trim_blocks=True) != before
    template.write_text("two")
    assert rendered(template) == "two"


@pytest.mark.parametrize("content", [b"", b"short", b"\x00" * 500])
def test_a_file_that_is_broken_is_compiled_anew(content: bytes, template: Path) -> None:
    before = rendered(template)
    kept(template)[0].write_bytes(content)
    assert rendered(template) == before
    good = kept(template)[0].read_bytes()
    kept(template)[0].write_bytes(good[: len(good) // 2])
    assert rendered(template) == before


def test_nothing_is_written_where_python_writes_nothing(
    template: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    rendered(template)
    assert not (template.parent / "__pycache__").exists()
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    (template.parent / "__pycache__").write_text("in the way")
    assert rendered(template).startswith("one")
