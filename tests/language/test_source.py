"""YAML to located data: what is read, where it stands, and what is refused."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

import archspec
from archspec.errors import Mark, SpecError
from archspec.language.emit import to_yaml
from archspec.language.source import MAX_BYTES, Map, decode, parse
from archspec.language.starters import KINDS, new

GALLERY = Path(__file__).parents[2] / "gallery" / "gemma-3-270m.yaml"


def value(text: str) -> object:
    return parse(f"a: {text}\n").data["a"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1_000", 1000),
        ("0x10", 16),
        ("0o17", 15),
        ("-3", -3),
        ("1e3", 1000.0),
        ("1.0e-6", 1e-6),
        ("true", True),
        ("False", False),
        ("yes", "yes"),
        ("no", "no"),
        ("1:30", "1:30"),
        ("12:30:45", "12:30:45"),
        (".5", 0.5),
        ("010.5", 10.5),
        ("2025-03-14", "2025-03-14"),
        ("null", None),
        ("~", None),
        ("", None),
        ('"8"', "8"),
        ("'true'", "true"),
        ("[1, two]", [1, "two"]),
    ],
)
def test_scalars_are_those_of_yaml_1_2(text: str, expected: object) -> None:
    found = value(text)
    assert found == expected
    assert type(found) is type(expected) or isinstance(found, list)


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("%YAML 1.1\n---\ntied: yes\n", 1, "another version"),
        ("%YAML 1.3\n---\na: 1\n", 1, "another version"),
        ("%YAML\n---\na: 1\n", 1, "another version"),
        ("# first\n\n%YAML 1.1\n---\na: 0100\n", 3, "another version"),
        ("a: 1\n...\n%YAML 1.1\n---\na: yes\n", 3, "another version"),
        ("%TAG ! tag:example.com,2000:\n---\na: !int 1\n", 1, "tags are not allowed"),
        ("%FOO bar\n---\na: 1\n", 1, "an unknown directive"),
    ],
)
def test_no_directive_changes_how_a_spec_is_read(text: str, line: int, said: str) -> None:
    with pytest.raises(SpecError, match=said) as caught:
        parse(text)
    (found,) = caught.value.diagnostics
    assert found.mark and found.mark.line == line


def test_the_directive_of_yaml_1_2_changes_nothing() -> None:
    assert parse("%YAML 1.2  # ours\n---\na: yes\nb: 1_000\n").data == {"a": "yes", "b": 1000}


@pytest.mark.parametrize("text", ["0100", "017", "-010", "00", "089", "0_7"])
def test_a_number_that_may_be_octal_is_refused(text: str) -> None:
    with pytest.raises(SpecError, match="begins with 0"):
        value(text)


@pytest.mark.parametrize("text", ["1__0", "1_", "0x_1", "1_.5", "1._5"])
def test_underscores_stand_between_digits(text: str) -> None:
    with pytest.raises(SpecError, match="underscore"):
        value(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a:\t1\n", {"a": 1}),
        ("a: \t1\t\nb: 2\t# said\n", {"a": 1, "b": 2}),
        ("a\t: 1\n", {"a": 1}),
        ("a: 1\n\t\n\t# said\nb: 2\n", {"a": 1, "b": 2}),
        ("a:\n  -\t1\t\n  - 2\n", {"a": [1, 2]}),
        ("a: {b:\t1,\tc: [2,\n\t3]}\n", {"a": {"b": 1, "c": [2, 3]}}),
        ("a: one\n  \ttwo\t\n\t\n  three\n", {"a": "one two\nthree"}),
        ("a: one\ttwo\n", {"a": "one\ttwo"}),
        ("---\t# said\na: 1\n", {"a": 1}),
    ],
)
def test_a_tab_that_does_not_indent_is_taken(text: str, expected: object) -> None:
    assert parse(text).data == expected


@pytest.mark.parametrize("text", ["a:\n\tb: 1\n", "a:\n  b: 1\n \tc: 2\n", "a: 1\n\tb: 2\n"])
def test_a_tab_that_indents_is_refused(text: str) -> None:
    with pytest.raises(SpecError, match="indents with spaces"):
        parse(text)


@pytest.mark.parametrize("text", ["a:\tb: 1\n", "-\ta: 1\n", "a:\n  -\t- 1\n"])
def test_behind_a_tab_stands_no_key_and_no_item(text: str) -> None:
    with pytest.raises(SpecError, match="not YAML"):
        parse(text)


@pytest.mark.parametrize("character", ["\x85", "\u2028", "\u2029"])
def test_a_comment_does_not_end_where_yaml_1_1_ends_a_line(character: str) -> None:
    with pytest.raises(SpecError, match="end of a line"):
        parse(f"a: 1  # said{character}b: 2\n")


def test_places_of_keys_and_values() -> None:
    data = parse("a: 1\nlong:\n  inner: [x, yy]\n").data
    inner = data["long"]
    assert data.keys_at["long"] == Mark(2, 1, 4)
    assert data.values_at["a"] == Mark(1, 4, 1)
    assert inner["inner"].items_at == [Mark(3, 11, 1), Mark(3, 14, 2)]


def test_an_absent_value_stands_at_its_key() -> None:
    assert parse("a:\nb: 1\n").data.values_at["a"] == Mark(1, 1, 1)


def test_aliases_share_their_value() -> None:
    data = parse("a: &x {b: 1}\nc: *x\n").data
    assert data["c"] == {"b": 1}


def test_a_merge_key_yields_to_what_is_written() -> None:
    data = parse("a: &x {b: 1, c: 2}\nd: {<<: *x, b: 3}\n").data
    assert data["d"] == {"b": 3, "c": 2}


def test_a_byte_order_mark_is_dropped() -> None:
    assert decode("\ufeffa: 1".encode(), "x") == "a: 1"


def test_numbers_of_keys_stay_text() -> None:
    assert list(parse("0: a\n-1: b\n").data) == ["0", "-1"]


def test_text_longer_than_the_bound_is_refused() -> None:
    with pytest.raises(SpecError, match="larger than"):
        parse("#" * (MAX_BYTES + 1))


def test_errors_count_in_lines_of_the_file() -> None:
    with pytest.raises(SpecError) as caught:
        parse("a: 1\n\n\nb: !x 1\n")
    assert caught.value.diagnostics[0].mark == Mark(4, 4, 4)


def test_many_values_are_refused_where_they_are_too_many() -> None:
    """What is behind the last of them is never read, so that it may be as wrong as it likes."""
    with pytest.raises(SpecError, match="20,000 values"):
        parse("a: [" + "1," * 500_000 + '"')


@pytest.mark.parametrize(
    "text", ["8", "1e3", "null", "true", "a: b", "#x", "- y", " z", "", "é", "'"]
)
def test_emitted_text_reads_back(text: str) -> None:
    data = {"a": text, "b": [text], "c": {"d": text, text or "e": 1.0e-6}}
    assert parse(to_yaml(data)).data == data


PIECES = [
    *"{}[]:,-#&*!|>'\"%@`?\t\n\\ ",
    "null",
    "-1",
    "1e99",
    ".nan",
    "<<: *x",
    "&x ",
    "*x",
    "extends: local",
    "overrides:\n  0: {}\n",
    "defaults: {mixer: null}\n",
    "\x00",
    "\u2028",
    "é",
    "99999999999999999999",
    "[" * 40,
    "---\n",
]


def mutated(text: str, random_: random.Random) -> str:
    for _ in range(random_.randint(1, 4)):
        at, width = random_.randrange(len(text)), random_.randint(0, 12)
        match random_.randrange(4):
            case 0:
                text = text[:at] + text[at + width :]
            case 1:
                text = text[:at] + random_.choice(PIECES) + text[at:]
            case 2:
                other = random_.randrange(len(text))
                text = text[:at] + text[other : other + width] + text[at + width :]
            case _:
                lines = text.splitlines(keepends=True)
                random_.shuffle(lines)
                text = "".join(lines) if random_.random() < 0.1 else text[:at] + text[at:].upper()
        text = text or "a"
    return text


def test_whatever_is_written_there_is_an_answer() -> None:
    """Mutated specs are accepted or refused with a `SpecError`; nothing else happens."""
    random_ = random.Random(20251121)
    seeds = [GALLERY.read_text(encoding="utf-8"), *(new("fuzz", kind) for kind in KINDS)]
    deadline = time.perf_counter() + 12
    refused = 0
    for _ in range(1500):
        text = mutated(random_.choice(seeds), random_)
        try:
            archspec.loads(text)
        except SpecError as error:
            refused += 1
            assert error.diagnostics and str(error)
        if time.perf_counter() > deadline:
            break
    assert refused > 100


def test_a_map_is_a_plain_mapping_too() -> None:
    assert isinstance(parse("a: 1").data, dict) and isinstance(parse("a: 1").data, Map)
