"""Specs and configurations with something wrong in them, the same for the same number."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

from conftest import SPECS

CONFIGS = sorted((Path(__file__).parents[1] / "importers/published").glob("*.json"))

MARK = "zqxj"
"""Stands in every text that tries to become more than text."""

TEXTS = [
    f"'; import os; {MARK}() #",
    f'"""\n{MARK}()\n"""',
    f"{{{{ {MARK} }}}}{{% {MARK} %}}",
    f"<{MARK} onload='x'>&{MARK};]]>-->",
    f'" -> {MARK}; a [label="',
    f"../../{MARK}",
    f"# {MARK}\n- {MARK}\n![{MARK}](http://{MARK}.example)",
    f"\\N{{DIGIT ONE}}\\x41{MARK}\\",
    f"{MARK}\u202e\u200b\u2066\u0000\u0085\u2028\ufeff\ufffe\U0001f468\u0301",
    f"*{MARK}",
    f"!!python/object:{MARK}.system",
    "ａｒｃｈｓｐｅｃ",
    "模型 نموذج",
]
VALUES: list[Any] = [
    *TEXTS,
    *(-1, 0, 1, 2, 3, 7, 8, 255, 2**16, 2**20, 2**31, 2**40, 2**63, 10**30),
    *(-0.0, 0.5, 1e-6, 1e300, -1e300, float("inf"), float("nan")),
    *(True, False, None, "", " ", "null", "yes", "1_000", "0x10", "1e3", [], {}, [[]], [1, "a"]),
    {"type": "attention"},
    {"type": "moe", "experts": 4, "top_k": 8},
    {"extends": "a"},
]
SPLICES = [
    *(":", "-", "- ", "{", "}", "[", "]", ",", "&a ", "*a", "<<: *a", "!!str ", "|", ">", "'", '"'),
    *("\t", "\r", "\n", "\n\n", "  ", "#", "%YAML 1.1\n", "---\n", "...\n", "? ", "\x00", "\ufeff"),
    *("\x1b[31m", "\u2028", "9" * 400, "1 x " * 50, "a" * 300, "é", "😀"),
]


def spec(number: int) -> str:
    """The text of a wrong spec, or of one that happens to be right."""
    dice = random.Random(number)
    text = dice.choice(SPECS).read_text(encoding="utf-8")
    for _ in range(dice.choice((1, 1, 1, 2, 3, 8))):
        text = dice.choice(EDITS)(text, dice)
    return text


def config(number: int) -> dict[str, Any]:
    """A published configuration in which some values are others."""
    dice = random.Random(number)
    data = json.loads(dice.choice(CONFIGS).read_text(encoding="utf-8"))
    for _ in range(dice.choice((1, 1, 2, 4))):
        change(data, dice)
    return data


def change(data: dict[str, Any], dice: random.Random) -> None:
    """Give a value somewhere in `data` another, leave it out, or put it under another key."""
    holder = data
    inner = [value for value in data.values() if isinstance(value, dict) and value]
    if inner and dice.random() < 0.3:
        holder = dice.choice(inner)
    key = dice.choice(list(holder) or ["model_type"])
    how = dice.random()
    if how < 0.7:
        holder[key] = copy.deepcopy(dice.choice(VALUES))
    elif how < 0.85:
        holder.pop(key, None)
    else:
        holder[dice.choice((key + "s", key.upper(), MARK, key[::-1]))] = holder.get(key)


def _value(text: str, dice: random.Random) -> str:
    """The value behind a colon becomes another."""
    lines = text.split("\n")
    places = [i for i, line in enumerate(lines) if ": " in line]
    if not places:
        return text
    at = dice.choice(places)
    parts = lines[at].split(": ")
    which = dice.randrange(1, len(parts))
    before, rest = parts[which], ""
    for i, c in enumerate(before):
        if c in ",}":
            before, rest = before[:i], before[i:]
            break
    parts[which] = _written(dice.choice(VALUES)) + rest
    lines[at] = ": ".join(parts)
    return "\n".join(lines)


def _written(value: Any) -> str:
    """A value as YAML has it; JSON is YAML but for numbers that are none."""
    if isinstance(value, float) and value != value:
        return ".nan"
    if value in (float("inf"),):
        return ".inf"
    return json.dumps(value, ensure_ascii=False)


def _line(text: str, dice: random.Random) -> str:
    """A line is left out, said twice, moved, or stands further in."""
    lines = text.split("\n")
    at, other = dice.randrange(len(lines)), dice.randrange(len(lines))
    how = dice.randrange(4)
    if how == 0:
        del lines[at]
    elif how == 1:
        lines.insert(other, lines[at])
    elif how == 2:
        lines[at], lines[other] = lines[other], lines[at]
    else:
        lines[at] = " " * dice.randrange(1, 5) + lines[at]
    return "\n".join(lines)


def _word(text: str, dice: random.Random) -> str:
    """A word of the spec becomes another word of it, or is misspelt."""
    words = sorted(set("".join(c if c.isalnum() or c == "_" else " " for c in text).split()))
    if not words:
        return text
    word, other = dice.choice(words), dice.choice(words)
    if dice.random() < 0.4:
        cut = dice.randrange(len(word))
        other = word[:cut] + word[cut + 1 :]
    return text.replace(word, other, dice.choice((1, 1, -1)))


def _splice(text: str, dice: random.Random) -> str:
    """Something stands where nothing was, or a piece is gone."""
    at = dice.randrange(len(text) + 1)
    if dice.random() < 0.3:
        return text[:at] + text[at + dice.randrange(1, 60) :]
    return text[:at] + dice.choice(SPLICES) + text[at:]


def _again(text: str, dice: random.Random) -> str:
    """A piece stands many times, or the text ends early."""
    if dice.random() < 0.5:
        return text[: dice.randrange(len(text) + 1)]
    at = dice.randrange(len(text) + 1)
    return text[:at] + text[at : at + dice.randrange(1, 80)] * dice.choice((2, 5, 50)) + text[at:]


def _title(text: str, dice: random.Random) -> str:
    """Texts that a stranger chose."""
    title, summary = dice.choice(TEXTS), dice.choice(TEXTS)
    return f"{text}\ntitle: {_written(title)}\nabout: {{summary: {_written(summary)}}}\n"


EDITS: list[Callable[[str, random.Random], str]] = [
    *(_value, _value, _value, _line, _word, _word, _splice, _again, _title)
]
