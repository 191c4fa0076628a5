"""How many layers of each kind there are is said in the field's own words."""

from __future__ import annotations

import pytest
from conftest import ROOT

import archspec
from archspec.codegen.view import PackageView
from archspec.numbers.analysis import analyse
from archspec.numbers.layer_mix import counted_layers

SAID = {
    "qwen3-next-80b-a3b": ["36 gated DeltaNets", "12 global attention layers"],
    "gemma-3-270m": ["15 sliding attention layers", "3 global attention layers"],
    "nemotron-3-nano-30b-a3b": ["23 Mamba-2 layers", "23 mixtures of experts"],
    "lfm2.5-8b-a1b": ["18 gated convolutions"],
    "kimi-linear-48b-a3b": ["20 delta attention layers", "7 latent attention layers"],
}


@pytest.mark.parametrize("name", SAID)
def test_layers_are_counted_in_words(name: str) -> None:
    model = archspec.load(ROOT / f"gallery/{name}.yaml")
    said = counted_layers(model)
    assert said[: len(SAID[name])] == SAID[name]
    assert len(said) == len(analyse(model).layer_mix)


def test_names_stay_names_within_a_sentence() -> None:
    text = (ROOT / "archspec/mechanisms/mixers/mamba/example.yaml").read_text(encoding="utf-8")
    view = PackageView(archspec.loads(text), "x.yaml", "0")
    assert view.layers[0].caption.startswith("Mamba")
    one = archspec.loads(text).mechanisms[0]
    assert (one.within(), one.label(), one.plural()) == ("Mamba", "Mamba", "Mamba layers")
