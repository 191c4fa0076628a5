"""The numbers of a figure are the architecture's."""

from __future__ import annotations

import re

import archspec
from archspec.architecture import Architecture
from archspec.draw import facts
from archspec.draw.page import Page, page

from .conftest import ROOT

Drawn = tuple[Architecture, Page]


def test_parameters_are_the_sum(drawn: Drawn) -> None:
    architecture, _ = drawn
    total = sum(p.size for p in architecture.parameters())
    active = round(sum(p.size * p.active for p in architecture.parameters()))
    assert facts.parameters(architecture) == (total, active)


def test_cache_is_the_sum_over_layers(drawn: Drawn) -> None:
    architecture, _ = drawn
    kept = [b.body.state().per_token for layer in architecture.layers for b in layer.block.branches]
    assert facts.cache_per_token(architecture) == 2 * sum(kept)


def test_sizes_are_on_the_page(drawn: Drawn) -> None:
    architecture, page = drawn
    texts = {text.text for text in page.scene.texts()}
    sizes = (architecture.vocab_size, architecture.hidden_size, architecture.context_length)
    assert {f"{size:,}" for size in sizes} <= texts
    assert f"{len(architecture.layers):,}" in texts


def test_every_number_of_a_caption_is_on_the_page(drawn: Drawn) -> None:
    architecture, page = drawn
    texts = " ".join(text.text for text in page.scene.texts())
    for mechanism in architecture.mechanisms:
        for number in re.findall(r"\d[\d,]*", mechanism.caption(architecture.hidden_size)):
            assert number in texts


def test_published_figures_of_gemma_3_270m() -> None:
    architecture = archspec.load(ROOT / "gallery/gemma-3-270m.yaml")
    values = {fact.name: fact.value for fact in facts.facts(architecture)}
    assert values["Parameters"] == "268.1M"
    assert values["Cache"] == "18 KiB"


def test_an_encoder_has_no_cache() -> None:
    architecture = archspec.load(ROOT / "tests/draw/specs/bert.yaml")
    assert "Cache" not in {fact.name for fact in facts.facts(architecture)}


def test_repeats_are_on_the_page() -> None:
    architecture = archspec.load(ROOT / "tests/draw/specs/gemma27.yaml")
    texts = [text.text for text in page(architecture).scene.texts()]
    assert [t for t in texts if t.endswith(" ×")] == ["5 ×", "1 ×", "10 ×", "2 ×"]
