"""Docstrings that fit."""

from __future__ import annotations

import textwrap


def doc(text: str) -> str:
    """The docstring of a class or function that says `text`, in lines of at most 100."""
    if len(text) <= 88 and "\n" not in text:
        return f'"""{text}"""'
    parts = [textwrap.wrap(part, 88) for part in text.strip().split("\n\n")]
    lines = "\n\n    ".join("\n    ".join(part) for part in parts)
    return f'"""{lines}\n    """'
