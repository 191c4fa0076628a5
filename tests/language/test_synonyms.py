"""Words of other configurations lead to words that a spec has."""

from __future__ import annotations

from typing import Any, cast

import pytest

from archspec.language.jargon import here
from archspec.language.schema import json_schema
from archspec.language.synonyms import SYNONYMS


def spoken(schema: Any) -> set[str]:
    """Every field, and every value that is a word, of the language."""
    found: set[str] = set()
    if isinstance(schema, dict):
        mapping = cast("dict[str, Any]", schema)
        found |= set(cast("dict[str, Any]", mapping.get("properties", {})))
        found |= {str(value) for value in mapping.get("enum", ())}
        found |= {str(mapping["const"])} if "const" in mapping else set()
        for value in mapping.values():
            found |= spoken(value)
    elif isinstance(schema, list):
        for item in cast("list[Any]", schema):
            found |= spoken(item)
    return found


def test_every_synonym_leads_to_a_word_of_the_language() -> None:
    words = spoken(json_schema())
    lost = {said: there for said, there in SYNONYMS.items() if not set(there) <= words}
    assert not lost


@pytest.mark.parametrize(
    ("said", "known", "meant"),
    [
        ("hidden_size", ("type", "intermediate_size", "gated"), "intermediate_size"),
        ("intermediate_size", ("vocab_size", "hidden_size"), "hidden_size"),
        ("further", ("head", "mtp"), "mtp"),
        ("num_nextn_predict_layers", ("head", "mtp"), "mtp"),
        ("num_nextn_predict_layers", ("depth", "block"), "depth"),
        ("rope_theta", ("heads", "rope"), "rope"),
        ("rope_theta", ("theta", "fraction"), "theta"),
        ("rope_theta", ("experts",), ""),
        ("nothing", ("experts",), ""),
    ],
)
def test_the_word_that_has_a_meaning_here_is_meant(
    said: str, known: tuple[str, ...], meant: str
) -> None:
    assert here(said, known) == meant
