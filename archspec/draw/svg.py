"""Graphviz's SVG made clean: a title and a description, hover texts, no generator's noise."""

from __future__ import annotations

import re
from collections.abc import Mapping
from xml.sax.saxutils import escape

from archspec.draw.emit import BOLD, REGULAR

FAMILY = "Inter, 'Helvetica Neue', Helvetica, Arial, 'Liberation Sans', sans-serif"
_HEAD = re.compile(r"<svg width=\"([\d.]+)pt\" height=\"([\d.]+)pt\"\s+viewBox=\"([^\"]*)\"[^>]*>")
_COMMENT = re.compile(r"<!--.*?-->\n?", re.DOTALL)
_TITLE = re.compile(r"<title>(n\d+)</title>\n")
_OTHER_TITLE = re.compile(r"<title>(?!n\d+<)[^<]*</title>\n")
_PLACED = re.compile(r"(<title>(n\d+)</title>\n<text [^>]*?\bx=\")[^\"]*")
_GROUP = re.compile(r"<g id=\"[^\"]*\" class=\"(?:node|edge)\">")


def clean(
    raw: bytes,
    title: str,
    description: str,
    tips: Mapping[str, str],
    places: Mapping[str, float],
) -> bytes:
    """The same picture, stable and accessible.

    `tips` are hover texts by the node's name, `places` where texts are anchored that Graphviz
    cannot measure.
    """
    text = raw.decode("utf-8")
    text = _COMMENT.sub("", text[text.index("<svg") :])
    text = _OTHER_TITLE.sub("", text)
    text = _PLACED.sub(lambda match: _placed(match, places), text)
    text = _TITLE.sub(lambda match: _tip(match[1], tips), text)
    head = _HEAD.search(text)
    assert head, "Graphviz wrote an unknown kind of SVG"
    body = _GROUP.sub("<g>", text[head.end() :])
    body = body.replace(f' font-family="{BOLD}"', ' font-weight="600"')
    body = body.replace(f' font-family="{REGULAR}"', "").replace(' xml:space="preserve"', "")
    body = body.replace('<g id="graph0" class="graph" ', "<g ")
    width, height, box = head.groups()
    opening = (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" width="{width}pt" '
        f'height="{height}pt" viewBox="{box}" font-family="{FAMILY}">\n'
        f"<title>{escape(title)}</title>\n<desc>{escape(description)}</desc>"
    )
    return ('<?xml version="1.0" encoding="UTF-8"?>\n' + opening + body).encode()


def _placed(match: re.Match[str], places: Mapping[str, float]) -> str:
    return f"{match[1]}{places[match[2]]:.2f}" if match[2] in places else match[0]


def _tip(name: str, tips: Mapping[str, str]) -> str:
    return f"<title>{escape(tips[name])}</title>\n" if name in tips else ""
