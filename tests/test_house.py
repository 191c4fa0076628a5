"""What docs/the-house.md says of the sources holds, and what the pages name is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from conftest import ROOT

SOURCES = sorted(p for p in (ROOT / "archspec").rglob("*") if p.suffix in (".py", ".jinja"))
PAGES = [
    ROOT / "CONTRIBUTING.md",
    *(ROOT / "docs").glob("adding-*.md"),
    ROOT / "docs/the-house.md",
]
CONDITIONALS, LINES = 8, 350


def parts(text: str) -> list[str]:
    """The macros of a template, and the template without them."""
    macro = re.compile(r"{%-? macro .*?{%-? endmacro -?%}", re.DOTALL)
    return [macro.sub("", text), *macro.findall(text)]


def test_templates_have_eight_conditionals_at_most() -> None:
    count = re.compile(r"{%-?\s*(?:if|elif)\b")
    over = {
        str(path.relative_to(ROOT)): found
        for path in SOURCES
        if path.suffix == ".jinja"
        for found in [max(len(count.findall(p)) for p in parts(path.read_text(encoding="utf-8")))]
        if found > CONDITIONALS
    }
    assert not over


def test_no_file_is_long() -> None:
    lengths = {str(p.relative_to(ROOT)): p.read_text("utf-8").count("\n") for p in SOURCES}
    assert {path: lines for path, lines in lengths.items() if lines > LINES} == {}


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
def test_what_a_page_names_is_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    named = re.findall(r"`((?:archspec|tests|docs|bench|tools)/[A-Za-z0-9_./-]+)`", text)
    links = re.findall(r"\]\(([^)#:]+)\)", text)
    targets = set(re.findall(r"`?make\s+([a-z-]+)", text))
    makes = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    assert [path for path in named if not (ROOT / path).exists()] == []
    assert [link for link in links if not (page.parent / link).exists()] == []
    assert targets <= makes
    assert len(text.splitlines()) <= 80


def test_every_folder_of_the_house_is_on_its_page() -> None:
    page = (ROOT / "docs/the-house.md").read_text(encoding="utf-8")
    folders = [path for path in (ROOT / "archspec").iterdir() if (path / "__init__.py").exists()]
    assert [path.name for path in folders if f"`archspec/{path.name}`" not in page] == []
