"""The language of schedules: read, written, folded."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archspec.language.schedule import MAX_LAYERS, Run, ScheduleError, compress, parse


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("a", ["a"]),
        ("2 x a", ["a", "a"]),
        ("2x a", ["a", "a"]),
        ("2 × a, b", ["a", "a", "b"]),
        ("2 * (a, b)", ["a", "b", "a", "b"]),
        ("a, 2 x (2 x b, a)", ["a", "b", "b", "a", "b", "b", "a"]),
        ("2 x (2 x (2 x a))", ["a"] * 8),
        ("  a ,\n b ", ["a", "b"]),
        ("((a))", ["a"]),
    ],
)
def test_reads(text: str, names: list[str]) -> None:
    run, _ = parse(text)
    assert run.names() == names


@pytest.mark.parametrize(
    ("text", "start"),
    [("", 0), ("2", 1), ("2 x", 3), ("(a", 2), ("a)", 1), ("a b", 2), ("a,", 2), ("0 x a", 0)],
)
def test_refuses_at_the_place_of_the_fault(text: str, start: int) -> None:
    with pytest.raises(ScheduleError) as caught:
        parse(text)
    assert caught.value.start == start


def test_a_block_may_be_called_x() -> None:
    assert parse("2 x x")[0].names() == ["x", "x"]


def test_names_know_their_place() -> None:
    _, found = parse("2 x (ab, c)")
    assert [(named.name, named.start, named.end) for named in found] == [("ab", 5, 7), ("c", 9, 10)]


def test_a_product_beyond_the_bound_is_never_written_out() -> None:
    with pytest.raises(ScheduleError, match="more than"):
        parse("4000 x (4000 x (4000 x (4000 x a)))")


def test_deep_parentheses_are_refused() -> None:
    with pytest.raises(ScheduleError, match="nested"):
        parse("(" * 5000 + "a" + ")" * 5000)


def test_the_longest_schedule_is_read() -> None:
    assert len(parse(f"{MAX_LAYERS} x a")[0].names()) == MAX_LAYERS


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("a, a, a", "3 x a"),
        ("a, a, b, a, a, b", "2 x (2 x a, b)"),
        ("a, b, b, b", "a, 3 x b"),
        ("2 x (5 x a, b), 2 x a", "2 x (5 x a, b), 2 x a"),
        ("a, b", "a, b"),
    ],
)
def test_folds(text: str, folded: str) -> None:
    assert str(compress(parse(text)[0].names())) == folded


@given(st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=40))
@settings(max_examples=100, deadline=None)
def test_folding_keeps_the_order(names: list[str]) -> None:
    run = compress(names)
    assert run.names() == names
    assert parse(str(run))[0].names() == names


def test_a_run_of_one_group_keeps_its_parentheses() -> None:
    assert str(Run(2, (Run(3, ("a",)),))) == "2 x (3 x a)"
