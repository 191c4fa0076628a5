"""Free text of a spec in a package's README: shown as it is, and never markup."""

from __future__ import annotations

import re

import pytest
from markdown_it import MarkdownIt

import archspec
from archspec.codegen.environment import environment

SPEC = """
archspec: 1
name: plain
vocab_size: 64
hidden_size: 32
context_length: 64
blocks: {a: {feedforward: {type: dense, intermediate_size: 64, activation: silu, gated: true}}}
head: {tied: true}
layers: a
"""

HOSTILE = [
    "- item",
    "+ item",
    "* item",
    "1. first",
    "12) twelfth",
    "# heading",
    "=====",
    "---",
    "> said",
    "https://evil.example/?a=1&b=2",
    "ftp://evil.example www.evil.example WWW.evil.example",
    "<https://evil.example>",
    "[link](https://evil.example) ![picture](x.png)",
    "[^1] [ref]: x",
    "a | b",
    "*a* _b_ __c__ ~~d~~ `e` \\*f\\*",
    "<img src=x onerror=alert(1)> &lt;b&gt; <!-- gone -->",
    "a_b*c`d",
    "$x^2$ and $$y$$",
    "    indented code",
    "~~~ fence",
    "mail me@evil.example, @somebody, :tada: :+1:",
    "plain text: 1:2, a 3.5B model (v1.0), 50% - done!",
]


def tokens(source: str) -> list[str]:
    found = MarkdownIt("gfm-like", {"linkify": False}).parse(source)
    return [token.type for token in found] + [
        child.type for token in found for child in token.children or ()
    ]


def shown(source: str) -> str:
    """What a reader sees."""
    html = MarkdownIt("gfm-like", {"linkify": False}).render(source)
    text = re.sub(r"<!-- -->|</?p>|\n", "", html)
    for entity, character in (("lt", "<"), ("gt", ">"), ("quot", '"'), ("amp", "&")):
        text = text.replace(f"&{entity};", character)
    return text


@pytest.mark.parametrize("text", HOSTILE)
def test_free_text_is_shown_as_it_is(text: str) -> None:
    written = environment().filters["markdown"](text)
    assert shown(written) == " ".join(text.split())
    kinds = {"paragraph_open", "inline", "paragraph_close", "text", "text_special", "html_inline"}
    assert set(tokens(written)) <= kinds


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_is_left_that_pages_link_by_themselves(text: str) -> None:
    """GitHub makes links of bare addresses and names, and pictures of words in colons."""
    written = environment().filters["markdown"](text)
    assert not re.search(r"(?i)www\.|(?<!\\)://|@\w|:[\w+-]+:", written)


def test_the_readme_holds_a_hostile_summary_as_text() -> None:
    from archspec import codegen

    text = SPEC + 'title: "# [x](https://e.example)"\nabout: {summary: "- item www.e.example"}\n'
    readme = codegen.build(archspec.loads(text), text, "s.yaml")["README.md"]
    lines = readme.splitlines()
    assert lines[0] == r"# \# \[x\](https\://e.example)"
    assert lines[2] == r"\- item www\.e.example"
