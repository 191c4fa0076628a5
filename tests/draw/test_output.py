"""What leaves the module: DOT, SVG, PNG and PDF, stable and safe."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from xml.etree import ElementTree

import pytest

import archspec
from archspec.architecture.model import Architecture
from archspec.draw import dot, foreign, render
from archspec.draw.pdf import undated
from archspec.errors import ArchspecError

from .conftest import ROOT, spec

GEMMA = str(ROOT / "gallery/gemma-3-270m.yaml")
SVG = "{http://www.w3.org/2000/svg}"
ELEMENTS = {"svg", "title", "desc", "g", "path", "polygon", "polyline", "ellipse", "text"}
ATTRIBUTES = {
    *("role", "width", "height", "viewBox", "font-family", "font-size", "font-weight"),
    *("transform", "fill", "stroke", "stroke-width", "stroke-dasharray", "points", "d"),
    *("x", "y", "cx", "cy", "rx", "ry", "text-anchor", "fill-opacity", "stroke-opacity"),
}
PAYLOADS = [
    "<b>bold</b>",
    '"]; node [label="x',
    r"\N \G \L \E \T",
    "&lt;script&gt; &amp; &#60;",
    "javascript:alert(1)",
    "</svg><script>alert(1)</script>",
    "<<table><tr><td>x</td></tr></table>>",
    "<!-- n1 --> ]]> <title>n3</title>",
    "ends with a backslash \\",
    "W" * 200,
    "漢字 العربية 🙂",
    "%s {0} $x",
]


def _texts(svg: bytes) -> str:
    root = ElementTree.fromstring(svg)
    return "".join(element.text or "" for element in root.iter(f"{SVG}text"))


@pytest.mark.parametrize("payload", PAYLOADS)
def test_free_text_is_only_ever_text(payload: str) -> None:
    svg = render(archspec.loads(spec(payload, payload)))
    root = ElementTree.fromstring(svg)
    for element in root.iter():
        assert element.tag.removeprefix(SVG) in ELEMENTS
        assert set(element.attrib) <= ATTRIBUTES


@pytest.mark.parametrize("payload", PAYLOADS)
def test_free_text_is_shown_as_written(payload: str) -> None:
    shown = re.sub(r"\s", "", _texts(render(archspec.loads(spec(payload)))))
    assert re.sub(r"\s", "", payload) in shown


@pytest.mark.parametrize("payload", PAYLOADS)
def test_title_and_description_hold_the_text(payload: str) -> None:
    root = ElementTree.fromstring(render(archspec.loads(spec(payload))))
    assert root.findtext(f"{SVG}title") == payload
    assert payload in (root.findtext(f"{SVG}desc") or "")


@pytest.mark.parametrize("payload", PAYLOADS)
def test_free_text_reaches_dot_as_labels_only(payload: str) -> None:
    text = dot(archspec.loads(spec(payload, payload)))
    assert not re.search(r"\b(URL|href|image|shapefile|tooltip|target)\s*=", _unquoted(text))
    assert "label=<" not in _unquoted(text)


def _unquoted(text: str) -> str:
    return re.sub(r'"(?:\\.|[^"\\])*"', '""', text)


def test_dot_and_svg_do_not_depend_on_the_hash_seed() -> None:
    program = (
        "import sys, hashlib, archspec; from archspec.draw import dot, render;"
        "a = archspec.load(sys.argv[1]);"
        "print(hashlib.sha256(dot(a).encode() + render(a)).hexdigest())"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", program, GEMMA],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(digests) == 1


def test_rendering_is_silent_and_imports_nothing_heavy() -> None:
    program = (
        "import sys, archspec; from archspec.draw import render;"
        "render(archspec.load(sys.argv[1]), 'png');"
        "print(sorted({'torch', 'networkx', 'numpy', 'fontTools'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, GEMMA],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


def test_themes_differ_only_in_colours() -> None:
    architecture = archspec.load(GEMMA)
    light, dark = (re.sub(r"#[0-9a-f]{6}", "#", dot(architecture, t)) for t in ("light", "dark"))
    assert light == dark


def test_svg_says_what_it_is() -> None:
    svg = render(archspec.load(GEMMA)).decode()
    assert 'role="img"' in svg
    assert "3 x (5 x local, global)" in svg
    assert "Graphviz" not in svg and "graphviz" not in svg and "<!--" not in svg


def test_text_can_be_selected() -> None:
    assert "Multi-query attention" in _texts(render(archspec.load(GEMMA)))


@pytest.mark.parametrize(("format", "magic"), [("png", b"\x89PNG\r\n\x1a\n"), ("pdf", b"%PDF-")])
def test_files_begin_as_their_format_does(format: str, magic: bytes) -> None:
    assert render(archspec.load(GEMMA), format).startswith(magic)


def test_pdf_carries_the_font() -> None:
    assert b"Inter-Regular" in render(archspec.load(GEMMA), "pdf")


def test_unknown_format_is_refused() -> None:
    with pytest.raises(ArchspecError, match="svg, png, pdf"):
        render(archspec.load(GEMMA), "gif")


def test_unknown_theme_is_refused() -> None:
    with pytest.raises(ArchspecError, match="light, dark"):
        dot(archspec.load(GEMMA), "pink")


def test_hover_texts_are_the_figures_own() -> None:
    svg = render(archspec.load(GEMMA)).decode()
    titles = set(re.findall(r"<title>([^<]*)</title>", svg))
    assert {"vocab_size", "hidden_size", "context_length", "layer 17: global"} <= titles
    assert not {"figure", "page", "anchor"} & titles
    assert not any(re.fullmatch(r"n\d+", title) for title in titles)


def test_a_pdf_does_not_say_when_it_was_made() -> None:
    raw = render(archspec.load(GEMMA), "pdf")
    assert b"Date" not in raw
    start = int(re.findall(rb"startxref\n(\d+)", raw)[-1])
    places = re.findall(rb"^(\d{10}) \d{5} n", raw[start:], re.MULTILINE)
    assert raw[start:].startswith(b"xref\n") and places
    for number, place in enumerate(places, start=1):
        assert raw[int(place) :].startswith(b"%d 0 obj" % number)


def test_a_date_of_any_length_is_taken_out() -> None:
    form = b"%%PDF\n1 0 obj\n<<%s>>\n2 0 obj\n<<>>\nxref\n0 3\n%s\n%s\nstartxref\n%d\n%%%%EOF\n"

    def made(info: bytes) -> bytes:
        second = 6 + 8 + 5 + len(info)
        entries = (b"%010d 00000 n " % place for place in (6, second))
        return form % (info, *entries, second + 13)

    dated = made(b"/CreationDate (D:20260101000000+05'30)/ModDate (D:2026Z)")
    assert undated(dated) == undated(made(b"/CreationDate (D:20260101000000Z)")) == made(b"")


def foreign_spec(title: str) -> Architecture:
    text = (ROOT / "examples" / "tiny.yaml").read_text(encoding="utf-8")
    return archspec.loads(f"{text}\ntitle: {title}\n")


def test_a_title_that_the_font_lacks_begins_where_others_do() -> None:
    """Graphviz measures it by glyphs that stand for none."""
    found = render(foreign_spec("一个模型 的名字")).decode()
    place = re.search(r'<text [^>]*? x="([^"]*)"[^>]*>一个模型 的名字', found)
    other = re.search(
        r'<text [^>]*? x="([^"]*)"[^>]*>A model', render(foreign_spec("A model")).decode()
    )
    assert place and other and abs(float(place[1]) - float(other[1])) < 1


def test_what_the_font_lacks_is_known() -> None:
    assert foreign(foreign_spec("Модель Μοντέλο ngữ → 12")) == ""
    assert foreign(foreign_spec("模型模 שלום 🤗")) == "模型שלום🤗"


def test_png_and_pdf_of_a_foreign_title_are_drawn_elsewhere() -> None:
    """With the fonts of the machine, which may lack it too; this process stays as it is."""
    before = render(archspec.load(GEMMA), "png")
    first, second = (render(foreign_spec("模型"), "png") for _ in range(2))
    assert first == second and first.startswith(b"\x89PNG")
    assert render(archspec.load(GEMMA), "png") == before
