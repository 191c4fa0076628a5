"""Text on a terminal: what nobody sees is escaped, and a caret stands below what it means."""

from __future__ import annotations

import json
import re

import pytest

from archspec.cli.app import as_json
from archspec.errors import Diagnostic, Mark, SpecError
from archspec.errors.excerpt import excerpt
from archspec.errors.printing import cells, clipped, is_seen, listed, printable

UNSEEN = [
    "\x00",
    "\x1b",
    "\x85",
    "\u00ad",
    "\u061c",
    "\u115f",
    "\u200b",
    "\u200d",
    "\u200e",
    "\u2028",
    "\u202e",
    "\u2060",
    "\u2066",
    "\u3164",
    "\ud800",
    "\ue000",
    "\ufdd0",
    "\ufeff",
    "\ufffe",
    "\uffff",
    "\U0001fffe",
    "\U000e0041",
    "\U0010ffff",
]


@pytest.mark.parametrize("character", UNSEEN, ids=ascii)
def test_what_nobody_sees_is_escaped(character: str) -> None:
    assert not is_seen(character)
    shown = printable(f"a{character}b")
    assert shown.isascii() and shown.isprintable() and shown[0] + shown[-1] == "ab"


@pytest.mark.parametrize(
    "text", ["plain", "模型", "é ö", "Модель", "שלום", "नमस्ते", "😀", "x\u0301"]
)
def test_what_people_read_stays(text: str) -> None:
    assert printable(text) == text


def test_all_spaces_are_shown_as_one() -> None:
    assert printable("a\u00a0b\u3000c") == "a b c"


@pytest.mark.parametrize("character", UNSEEN, ids=ascii)
def test_json_escapes_what_nobody_sees(character: str) -> None:
    text = as_json({"a": f"模{character}"})
    assert json.loads(text) == {"a": f"模{character}"}
    assert character not in text and "模" in text


def test_cells_are_columns() -> None:
    assert [cells(text) for text in ("ab", "模型", "e\u0301", "ｗ")] == [2, 4, 1, 2]


def test_lists_do_not_list_the_world() -> None:
    names = [f"b{i}" for i in range(300)]
    assert listed(names, 3) == "b0, b1, b2 and 297 more"
    assert clipped("x" * 99, 10) == "x" * 9 + "…"


LINE = 'about: {summary: "一个模型的名字",\tlicense: 5, more: "' + "x" * 300 + '"}'


@pytest.mark.parametrize("room", [30, 40, 60, 80, 100, 200])
@pytest.mark.parametrize("what", ["about", "一个", "license", "more", "xx", "}"])
def test_the_caret_stands_below_its_word_at_any_width(room: int, what: str) -> None:
    column = LINE.index(what) + 1
    shown, below = excerpt(LINE, 7, column, len(what), room)
    assert cells(shown) <= room and cells(below) <= room
    start = below.index("^")
    at = next(i for i in range(len(shown) + 1) if cells(shown[:i]) >= start)
    assert shown[at:].startswith(what[:3])
    assert below.count("^") <= cells(what)


def test_a_line_is_shown_whole_where_there_is_room() -> None:
    assert excerpt("a: " + "b" * 150, 1, 4, 2, 200)[0].endswith("b" * 150)
    assert excerpt("a: " + "b" * 150, 1, 4, 2, 60)[0].endswith("b…")


@pytest.mark.parametrize("separator", ["\x0b", "\x0c", "\x1c", "\x85", "\u2028"])
def test_lines_are_counted_as_yaml_does(separator: str) -> None:
    text = f"a{separator}b\nthe second\n"
    assert "the second" in str(SpecError([Diagnostic("wrong", mark=Mark(2, 1))], text=text))


def test_of_one_kind_twenty_are_told_and_the_rest_counted() -> None:
    found = [Diagnostic(f"no block is called 'x{i}'", mark=Mark(i + 1, 1)) for i in range(4001)]
    error = SpecError([*found, Diagnostic("another")])
    assert len(error.diagnostics) == 21
    assert list(error.more.values()) == [3981]
    said = str(error)
    assert "and 3,981 more of this kind: no block is called 'x19'" in said
    assert said.endswith("4,002 errors in <spec>")
    assert len(re.findall("no block is called", said)) == 21
