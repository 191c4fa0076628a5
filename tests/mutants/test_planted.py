"""The contract finds errors; `make mutants` plants all of them and writes table.txt."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from planting import TABLE, Contract, Mutant, caught, find_template, mutants, replaced

SAMPLE = [
    ("short_conv", "the bias is left out for one token"),
    ("short_conv", "what is kept counts padding as tokens"),
    ("per_layer", "the activation comes behind the product"),
    ("per_layer", "layers take each other's numbers of a row"),
]


@pytest.fixture(scope="module")
def contracts() -> dict[str, Contract]:
    return {}


@pytest.mark.parametrize(("mechanism", "what"), SAMPLE)
def test_it_is_caught(
    mechanism: str, what: str, contracts: dict[str, Contract], tmp_path: Path
) -> None:
    (mutant,) = (m for m in mutants(mechanism) if m.what == what)
    assert caught(mutant, contracts, tmp_path)


@pytest.mark.parametrize("mutant", [m for m in mutants() if m.template], ids=lambda m: m.what)
def test_what_is_replaced_stands_in_its_template(mutant: Mutant) -> None:
    _, text = find_template(mutant)
    assert replaced(text, mutant) != text


def test_enough_of_those_written_down_are_caught() -> None:
    lines = TABLE.read_text(encoding="utf-8")
    _, planted, noticed = re.search(r"^(all) +(\d+) +(\d+)$", lines, re.M).groups()  # type: ignore[union-attr]
    assert int(planted) == len(mutants())
    assert int(noticed) >= 0.95 * int(planted)


def test_every_mechanism_has_ten() -> None:
    folders = Path(__file__).parents[2].glob("archspec/mechanisms/*/*/example.yaml")
    for folder in folders:
        assert len(mutants(folder.parent.name)) >= 10, folder.parent.name
