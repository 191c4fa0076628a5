"""The accent falls on what differs from the plain decoder, and on nothing else."""

from __future__ import annotations

import archspec
from archspec.draw.page import page

from .conftest import spec


def _accented(text: str) -> set[str]:
    """The texts at the centre of accented boxes."""
    scene = page(archspec.loads(text)).scene
    boxes = [box for box in scene.boxes() if box.line == "accent" and box.pen > 1]
    return {
        text.text
        for text in scene.texts()
        for box in boxes
        if text.align == "center" and box.x == text.x and abs(box.y - text.y) < 8
    }


def test_a_plain_decoder_has_no_accent() -> None:
    assert _accented(spec()) == set()


def test_a_window_is_accented() -> None:
    found = _accented(spec().replace("head_dim: 8,", "head_dim: 8, window: 16,"))
    assert found == {"Multi-head attention", "Scaled dot-product attention", "causal, window 16"}


def test_query_and_key_norms_are_accented() -> None:
    found = _accented(spec().replace("head_dim: 8,", "head_dim: 8, qk_norm: true,"))
    assert found == {"Multi-head attention", "RMSNorm"}


def test_another_activation_is_accented() -> None:
    found = _accented(spec().replace("silu", "relu"))
    assert found == {"Feed-forward", "ReLU"}


def test_a_tied_head_is_accented() -> None:
    found = _accented(spec().replace("tied: false", "tied: true"))
    assert found == {"Linear output", "100 · tied to the token embedding"}


def test_norms_after_a_branch_are_accented() -> None:
    text = spec().replace("  block:\n", "  block:\n    norm_position: post\n")
    scene = page(archspec.loads(text)).scene
    accents = [box for box in scene.boxes() if box.line == "accent" and box.pen > 1]
    assert len(accents) == 2


def test_learned_positions_are_accented() -> None:
    text = spec() + "embedding: {positions: {type: learned, length: 64}}\n"
    assert _accented(text) == {"Learned positions", "64 × 16"}
