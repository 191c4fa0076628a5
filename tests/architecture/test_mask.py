"""The mask predicate and the counts made from it."""

from __future__ import annotations

import itertools

import pytest

from archspec.architecture.block_pattern import BlockPattern
from archspec.architecture.mask import Mask

PATTERNS = [
    BlockPattern(size, local, first, stride, shift, heads)
    for size in (1, 2, 3)
    for local in (1, 2)
    for first in (0, 1, 3)
    for stride, shift, heads in ((None, 0, 1), (2, 0, 1), (3, 1, 5), (4, 2, 2))
    if stride or first
]
MASKS = [
    *(Mask(), Mask(window=1), Mask(window=3), Mask(window=100), Mask(causal=False)),
    *(Mask(blocks=pattern) for pattern in PATTERNS),
]


def pairs(mask: Mask, first: int, tokens: int) -> int:
    """The admitted pairs, counted one by one."""
    total = first + tokens
    keys = itertools.product(range(first, total), range(total), range(mask.heads))
    return sum(mask.allows(query, key, head=head) for query, key, head in keys)


@pytest.mark.parametrize("mask", MASKS)
def test_keys_seen_counts_what_allows_admits(mask: Mask) -> None:
    for first, tokens in itertools.product((0, 1, 2, 3, 7, 26), (0, 1, 2, 5, 9, 31)):
        assert mask.keys_seen(first, tokens) == pairs(mask, first, tokens), (first, tokens)


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
    blocks = BlockPattern(64, 16, 1, 8, 2, 4)
    assert Mask(blocks=blocks).caption() == (
        "causal, blocks of 64: last 16, first 1, stride 8 by head"
    )


def test_blocks_are_local_first_or_in_a_stripe() -> None:
    mask = Mask(blocks=BlockPattern(2, 2, 1, 4))
    seen = [[mask.allows(2 * i, 2 * j) for j in range(9)] for i in range(9)]
    assert ["".join(".x"[one] for one in row) for row in seen] == [
        "x........",
        "xx.......",
        "xxx......",
        "x.xx.....",
        "x..xx....",
        "x..xxx...",
        "x..x.xx..",
        "x..x..xx.",
        "x..x...xx",
    ]


def test_heads_have_stripes_of_their_own() -> None:
    pattern = BlockPattern(16, 1, 0, 3, 1, 3)
    far = [[j for j in range(7) if pattern.allows(16 * 7, 16 * j, head)] for head in range(3)]
    assert far == [[2, 5], [1, 4], [0, 3, 6]]
    assert [pattern.stripe(head) for head in range(3)] == [2, 1, 0]


def test_the_first_stripe_lies_behind_the_first_blocks() -> None:
    stripes = [BlockPattern(16, 1, first, 4).stripe() for first in range(9)]
    assert stripes == [3, 3, 3, 3, 7, 7, 7, 7, 11]
