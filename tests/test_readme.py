"""What the README shows is what the tool does."""

from __future__ import annotations

import re

from conftest import ROOT
from typer.main import get_command

import archspec
from archspec.cli.commands import app
from archspec.codegen import build
from archspec.draw import render
from archspec.output.signature import signed

README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_figure_is_drawn_from_the_spec() -> None:
    spec = re.search(r"```yaml\n(.*?)```", README, re.DOTALL)
    assert spec
    shown = (ROOT / "docs/local-global.svg").read_bytes()
    drawn = signed(render(archspec.loads(spec[1]), "svg"), "svg")
    assert shown == drawn, "`make regen` draws it anew"


def test_the_class_is_built_from_the_spec() -> None:
    spec = re.search(r"```yaml\n(.*?)```", README, re.DOTALL)
    shown = re.search(r"```python\n(class .*?)```", README, re.DOTALL)
    assert spec and shown
    attention = build(archspec.loads(spec[1]), spec[1], "spec.yaml")["attention.py"]
    built = attention[attention.index("class SlidingAttention") :]
    assert shown[1].strip() == built[: built.index("    @classmethod")].strip()


def test_every_command_is_listed() -> None:
    listed = set(re.findall(r"^\| `archspec (\w+)", README, re.MULTILINE))
    assert listed == set(get_command(app).commands)  # type: ignore[attr-defined]


def test_what_it_links_to_is_there() -> None:
    for target in re.findall(r'\]\(([^)#]+)\)|src="([^"]+)"', README):
        path = next(filter(None, target))
        assert path.startswith("https://") or (ROOT / path).exists(), path
