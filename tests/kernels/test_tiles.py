"""No warp repeats the work of another, by the rule that Triton lays warps out by."""

from __future__ import annotations

import pytest

from archspec.kernels.attention.tiles import Tiles, decode_tiles, filled, tiles

PASSES = ("forward", "backward_queries", "backward_keys", "backward_values")
WIDTHS = (64, 128, 192, 256, 512)


@pytest.mark.parametrize("target", ["sm_80", "sm_89", "sm_90"])
@pytest.mark.parametrize("more", ["", "gated", "related"])
@pytest.mark.parametrize("kernel", PASSES)
def test_every_warp_has_scores_of_its_own(kernel: str, more: str, target: str) -> None:
    for width in WIDTHS:
        found = tiles(kernel, target, width, width, more)
        by_key = kernel in ("backward_keys", "backward_values")
        rows, columns = (found.keys, found.rows) if by_key else (found.rows, found.keys)
        assert filled(found, target, rows, columns, min(width, 256)) == found, (kernel, width)


def test_too_many_warps_are_left_out() -> None:
    wide = Tiles(64, 64, 8, 2)
    assert filled(wide, "sm_90", 64, 64, 128).warps == 4
    assert filled(wide, "sm_80", 64, 64, 128).warps == 8
    assert filled(wide, "sm_80", 64, 64, 64).warps == 4
    assert filled(wide, "sm_80", 128, 32, 256).warps == 4
    assert filled(wide, "sm_100", 64, 64, 64) == wide


@pytest.mark.parametrize("target", ["sm_80", "sm_89", "sm_90"])
def test_a_token_of_narrow_heads_takes_one_warp(target: str) -> None:
    assert decode_tiles(target, 4, 16).warps == 1
    assert decode_tiles(target, 32, 32).warps == 2
    assert decode_tiles(target, 4, 64).warps == 4
