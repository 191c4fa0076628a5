"""The words of error messages: what pydantic found → what a user wrote and probably meant."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from typing import Any

from archspec.language.jargon import activation_hint, here
from archspec.language.source import describe
from archspec.language.synonyms import SYNONYMS

LONGEST_NAME = 80
"""A word that is longer was not meant to be a name."""

TRUTHS = {"yes": "true", "on": "true", "no": "false", "off": "false"}
"""What YAML 1.1 took for true and false, and YAML 1.2 for text."""

_EXPECTED = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "string_type": "text",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "tuple_type": "text or a list of texts",
}

_BOUNDS = {
    "greater_than_equal": ("ge", "at least"),
    "greater_than": ("gt", "more than"),
    "less_than_equal": ("le", "at most"),
    "less_than": ("lt", "less than"),
}


def near(word: str, known: Iterable[str]) -> str:
    """The one of `known` that `word` was probably meant to be, or nothing."""
    names = tuple(known)
    if len(word) > LONGEST_NAME:
        return ""
    if called := here(word, names):
        return called
    if found := difflib.get_close_matches(word, names, n=1, cutoff=0.6):
        return found[0]
    # A slip in a word that is another's: `hiden_size` where `intermediate_size` stands.
    foreign = [said for said in SYNONYMS if here(said, names)]
    found = difflib.get_close_matches(word, foreign, n=1, cutoff=0.85)
    return here(found[0], names) if found else ""


class Guesses:
    """What was probably meant by each of many words; after the first hundreds, nobody reads on."""

    def __init__(self, most: int = 300) -> None:
        """Look up at most `most` words."""
        self.left = most

    def near(self, word: str, known: Iterable[str]) -> str:
        """As `near`, or nothing once there were enough."""
        self.left -= 1
        return near(word, known) if self.left >= 0 else ""


def meant(word: str, known: Iterable[str]) -> str:
    """`did you mean …?` for a near miss, or nothing."""
    found = near(word, known)
    return f"did you mean {found}?" if found else ""


def meant_truth(given: Any) -> str:
    """`did you mean true?` for a `yes`, or nothing."""
    truth = TRUTHS.get(given.lower()) if isinstance(given, str) else None
    return f"did you mean {truth}?" if truth else ""


def words(name: str) -> str:
    """The name of a class in words: `SlidingAttention` → `sliding attention`.

    What is written in capitals stays so: `RGLRUBlock` → `RGLRU block`.
    """
    parts = re.findall(r"[A-Z]+(?![a-z])\d*|[A-Z]?[a-z]+\d*|\d+", name)
    return " ".join(part if part.isupper() and len(part) > 1 else part.lower() for part in parts)


def one_of(words: list[str]) -> str:
    """`a`, or `one of a, b`."""
    return words[0] if len(words) == 1 else f"one of {', '.join(words)}"


def choices(listed: str) -> list[str]:
    """The values in pydantic's `'a', 'b' or 'c'`."""
    return [word.strip("'") for word in listed.replace(" or ", ", ").split(", ")]


def plain_message(kind: str, context: dict[str, Any], given: Any) -> tuple[str, str]:
    """The message and the hint for one of pydantic's own kinds of error."""
    got = f", got {describe(given)}"
    if kind == "bool_type":
        return f"expected {_EXPECTED[kind]}{got}", meant_truth(given)
    if kind == "literal_error":
        known = choices(context["expected"])
        hint = activation_hint(str(given)[:LONGEST_NAME], known)
        return f"expected {one_of(known)}{got}", hint or meant(str(given), known)
    if kind == "string_pattern_mismatch":
        return _pattern(context["pattern"]) + got, ""
    if kind == "string_unicode":
        return "expected text in which every character is seen, got half of a pair of codes", ""
    if kind in _BOUNDS:
        key, words = _BOUNDS[kind]
        limit = context[key]
        shown = f"{limit:,}" if isinstance(limit, int) else f"{limit:g}"
        return f"expected {words} {shown}{got}", ""
    if kind == "string_too_long":
        return f"expected at most {context['max_length']:,} characters, got {len(given):,}", ""
    if kind == "too_long":
        return f"expected at most {context['max_length']:,}, got {context['actual_length']:,}", ""
    if kind == "too_short":
        return f"expected at least {context['min_length']}, got none", ""
    if kind == "float_type" and isinstance(given, int):
        # A boolean is a number to Python only.
        return f"expected a number{got}", ""
    expected = _EXPECTED.get(kind, kind.replace("_", " "))
    return f"expected {expected}{got}", _quotes(kind, given)


def _quotes(kind: str, given: Any) -> str:
    if isinstance(given, str) and given.lower() in ("none", "nil", "off", "no"):
        return "`null` leaves it out"
    if kind == "string_type" and given is not None and not isinstance(given, (dict, list)):
        return "in quotes it is text"
    if kind in ("int_type", "float_type") and isinstance(given, str):
        try:
            float(given.replace("_", ""))
        except ValueError:
            return ""
        return "without the quotes it is a number"
    return ""


def _pattern(pattern: str) -> str:
    if pattern.startswith("^https"):
        return "expected an https:// address"
    if "._-" in pattern:
        return "expected lower-case letters, digits, dots, dashes and underscores"
    if "{}" in pattern:
        return "expected a tensor's name"
    return "expected a name of lower-case letters, digits and underscores, a letter first"
