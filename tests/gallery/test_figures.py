"""The figures in the gallery are those of their specs. `make gallery` draws them anew."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import ROOT, spec_id

import archspec
from archspec.draw import render
from archspec.output.signature import signed


@pytest.mark.parametrize("path", sorted((ROOT / "gallery").glob("*.yaml")), ids=spec_id)
def test_figure_is_up_to_date(path: Path) -> None:
    figure = path.with_suffix(".svg").read_bytes()
    drawn = signed(render(archspec.load(path), "svg"), "svg")
    assert figure == drawn, "if it should differ, run `make gallery`"
