"""The mask predicate and the counts made from it."""

from __future__ import annotations

import itertools

import pytest

from archspec.mask import Mask

MASKS = [Mask(), Mask(window=1), Mask(window=3), Mask(window=100), Mask(causal=False)]


def pairs(mask: Mask, first: int, tokens: int) -> int:
    """The admitted pairs, counted one by one."""
    total = first + tokens
    keys = itertools.product(range(first, total), range(total))
    return sum(mask.allows(query, key) for query, key in keys)


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("first", [0, 1, 2, 3, 7])
@pytest.mark.parametrize("tokens", [0, 1, 2, 5, 9])
def test_keys_seen_counts_what_allows_admits(mask: Mask, first: int, tokens: int) -> None:
    assert mask.keys_seen(first, tokens) == pairs(mask, first, tokens)


def test_a_window_includes_the_token_itself() -> None:
    mask = Mask(window=2)
    assert [mask.allows(5, key) for key in range(7)] == [False] * 4 + [True, True, False]


@pytest.mark.parametrize("mask", MASKS)
def test_every_token_sees_itself(mask: Mask) -> None:
    assert all(mask.allows(token, token) for token in range(10))


def test_captions() -> None:
    assert Mask().caption() == "causal"
    assert Mask(window=1024).caption() == "causal, window 1,024"
    assert Mask(causal=False).caption() == "bidirectional"
