"""Text is measured with the font that is carried."""

from __future__ import annotations

import pytest

from archspec.draw import metrics


@pytest.mark.parametrize("bold", [False, True])
def test_the_table_has_the_fonts_advances(bold: bool) -> None:
    font_tools = pytest.importorskip("fontTools.ttLib")
    name = "Inter-SemiBold.otf" if bold else "Inter-Regular.otf"
    font = font_tools.TTFont(metrics.FONTS / name)
    per_em, glyphs, advances = font["head"].unitsPerEm, font.getBestCmap(), font["hmtx"]
    for code in (32, 65, 0xD7, 0x2026, 0x2192, 0x3C3):
        expected = advances[glyphs[code]][0] * 1000 / per_em
        assert metrics.width(chr(code), 1000, bold) == pytest.approx(expected, abs=0.5)


def test_clipped_text_fits() -> None:
    clipped = metrics.clip("a long line of text", 50, 10)
    assert clipped.endswith("…")
    assert metrics.width(clipped, 10) <= 50


@pytest.mark.parametrize("text", ["one two three four five six", "W" * 100, "x"])
def test_wrapped_lines_fit_and_lose_nothing(text: str) -> None:
    lines = metrics.wrap(text, 60, 10)
    assert all(metrics.width(line, 10) <= 60 for line in lines)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
