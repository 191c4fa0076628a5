"""A wrong spec or configuration is refused in words; all outputs of one that is taken are whole.

`make attack` runs a hundred thousand.
"""

from __future__ import annotations

import io
import random
import tokenize
from xml.etree import ElementTree

import mutation
import pytest

import archspec
from archspec.architecture.model import Architecture
from archspec.codegen import build
from archspec.draw import render
from archspec.errors import ArchspecError
from archspec.importers import import_config
from archspec.language.source import parse
from archspec.numbers.analysis import analyse
from archspec.numbers.shrink import shrink

LONGEST = 100_000
EACH = 500
SWEEP = 160
DRAWN, BUILT = 5, 40
"""Of the specs that are taken one in so many is drawn, one in so many built."""


def refusal(error: ArchspecError) -> None:
    """What a user reads: short, and nothing in it that a terminal would obey."""
    said = str(error)
    assert said.strip() and len(said) < LONGEST
    assert all(c.isprintable() or c == "\n" for c in said)


def check_spec(text: str, number: int) -> bool:
    """Whether a spec was taken; the outputs of one that was are held against their promises."""
    try:
        architecture = archspec.loads(text)
    except ArchspecError as error:
        refusal(error)
        return False
    report = analyse(architecture).to_dict()
    assert report["parameters"]["total"] >= 0
    dice = random.Random(number)
    if dice.randrange(DRAWN) == 0:
        figure(architecture)
        small = archspec.loads(shrink(parse(text)))
        assert len(small.layers) <= len(architecture.layers)
    if dice.randrange(BUILT) == 0:
        package(architecture, text)
    return True


def figure(architecture: Architecture) -> None:
    """The figure is XML, and no element or attribute is a stranger's."""
    for element in ElementTree.fromstring(render(architecture, format="svg")).iter():
        assert mutation.MARK not in element.tag
        assert not [name for name in element.attrib if mutation.MARK in name]


def package(architecture: Architecture, text: str) -> None:
    """The package is Python, in which a stranger's text is a string or a comment."""
    for path, content in build(architecture, text, "spec.yaml").items():
        if path.endswith(".py"):
            assert isinstance(content, str)
            compile(content, path, "exec")
            for token in tokenize.generate_tokens(io.StringIO(content).readline):
                if mutation.MARK in token.string:
                    assert token.type in (tokenize.STRING, tokenize.COMMENT)


def check_config(number: int) -> bool:
    """Whether a configuration was taken; the spec of one that was is valid."""
    try:
        text = import_config(mutation.config(number))
    except ArchspecError as error:
        refusal(error)
        return False
    archspec.loads(text)
    return True


@pytest.mark.parametrize("part", range(2))
def test_a_wrong_spec_is_refused_in_words(part: int) -> None:
    check_specs(part, 250)


def test_a_wrong_configuration_is_refused_in_words() -> None:
    check_configs(0, 250)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(2, 2 + SWEEP))
def test_wrong_specs_at_length(part: int) -> None:
    check_specs(part, EACH)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(2, 2 + SWEEP // 4))
def test_wrong_configurations_at_length(part: int) -> None:
    check_configs(part, EACH)


def check_specs(part: int, count: int) -> None:
    """The specs of a part, named by their number where one goes wrong."""
    taken = 0
    for number in range(part * EACH, part * EACH + count):
        try:
            taken += check_spec(mutation.spec(number), number)
        except Exception as error:
            error.add_note(f"spec {number}: mutation.spec({number})")
            raise
    assert 0 < taken < count


def check_configs(part: int, count: int) -> None:
    """The same of configurations."""
    taken = 0
    for number in range(part * EACH, part * EACH + count):
        try:
            taken += check_config(number)
        except Exception as error:
            error.add_note(f"configuration {number}: mutation.config({number})")
            raise
    assert 0 < taken < count
