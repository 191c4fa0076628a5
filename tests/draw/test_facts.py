"""The numbers of a figure are the architecture's."""

from __future__ import annotations

import re

import archspec
from archspec.architecture.model import Architecture
from archspec.draw import facts
from archspec.draw.describe import describe
from archspec.draw.page import Page, page

from .conftest import ROOT

Drawn = tuple[Architecture, Page]


def test_parameters_are_the_sum(drawn: Drawn) -> None:
    architecture, _ = drawn
    learned = [p for p in architecture.parameters() if p.trained]
    total, active = sum(p.size for p in learned), int(sum(p.size * p.active for p in learned))
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
    encoder = architecture.encoder
    read = f"{len(encoder.layers):,} + " if encoder and encoder.layers else ""
    assert f"{read}{len(architecture.layers):,}" in texts


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


def test_a_source_has_a_cache_of_its_own() -> None:
    architecture = archspec.load(ROOT / "examples/given-states.yaml")
    values = {fact.name: fact for fact in facts.facts(architecture)}
    # 3 layers of 2 heads, 16 wide, for keys and values in 2 bytes.
    assert values["Cache of the source"].value == f"{3 * 2 * 16 * 2 * 2} B"
    assert values["Context"].note == "tokens, source 48"
    plain = facts.facts(archspec.load(ROOT / "gallery/gpt2.yaml"))
    assert "Cache of the source" not in {fact.name for fact in plain}


def test_the_words_say_what_the_figure_shows() -> None:
    pair = describe(archspec.load(ROOT / "examples/encoder-decoder.yaml"))
    assert "Encoder's layers: 3 x reader." in pair
    assert pair.count("Its keys and values come from the encoder's states.") == 1
    assert "768 B (per source token, bf16)" in pair
    given = describe(archspec.load(ROOT / "examples/given-states.yaml"))
    assert "states are given to the model, at most 48" in given
    ahead = describe(archspec.load(ROOT / "examples/looking-ahead.yaml"))
    assert "MTP modules 1 … 2, from the last hidden state: RMSNorm, Vector of the next" in ahead
    own = describe(archspec.load(ROOT / "archspec/mechanisms/embeddings/per_layer/example.yaml"))
    assert "Vectors for each layer, beside the stream: Token ids, Vectors of the token" in own
    assert "It reads the token's vector for its layer." in own


def test_repeats_are_on_the_page() -> None:
    architecture = archspec.load(ROOT / "tests/draw/specs/gemma27.yaml")
    texts = [text.text for text in page(architecture).scene.texts()]
    assert [t for t in texts if t.endswith(" ×")] == ["5 ×", "1 ×", "10 ×", "2 ×"]
