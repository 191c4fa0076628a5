"""Plain data → YAML that a person likes to read: short mappings on one line, the rest indented."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import islice
from typing import Any, cast

from archspec.language.events import plain_type

WIDTH = 100

_WORD = r"[A-Za-z_][A-Za-z0-9_./()-]*"
_PLAIN = re.compile(rf"{_WORD}( [A-Za-z0-9_./()-]+)*")
# Outside of brackets commas and braces are text like any other.
_PLAIN_LINE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./(){}-]*(,? [A-Za-z0-9_./(){}-]+)*")


class Open(dict[str, Any]):
    """A mapping that is always written over several lines."""


def to_yaml(data: dict[str, Any]) -> str:
    """`data` (mappings, lists, text, numbers, booleans, None) as a YAML document."""
    lines: list[str] = []
    for key, value in data.items():
        part = list(_field(key, value, 0))
        lines += ["", *part, ""] if len(part) > 1 else part
    return "\n".join(lines).replace("\n\n\n", "\n\n").strip("\n") + "\n"


def lines(data: dict[str, Any]) -> Iterator[str]:
    """`data` as the lines of a YAML mapping, made as they are asked for."""
    for key, value in data.items():
        yield from _field(key, value, 0)


def comment(sentences: Sequence[str]) -> list[str]:
    """Each sentence as comment lines; what is not printable ASCII is dropped."""
    out: list[str] = []
    for sentence in sentences:
        line = "#"
        for word in re.sub(r"[^ -~]+", " ", sentence).split():
            if len(line) + 1 + len(word) > WIDTH and line != "#":
                out.append(line)
                line = "#"
            line += f" {word}"
        out.append(line)
    return out


def _field(key: str, value: Any, indent: int) -> Iterator[str]:
    head = f"{' ' * indent}{_outside(key)}:"
    if isinstance(value, str):
        line = f"{head} {_outside(value)}"
        yield from [line] if len(line) <= WIDTH else [head, f"{' ' * indent}  {_outside(value)}"]
        return
    fields, items = _fields(value), _items(value)
    if not (fields or items):
        yield f"{head} {flow(value)}"
        return
    if not isinstance(value, Open) and _few(value):
        line = f"{head} {flow(value)}"
        if _fits([*fields.values(), *items], line):
            yield line
            return
    yield head
    for name, inner in fields.items():
        yield from _field(name, inner, indent + 2)
    for item in items:
        yield from _item(item, indent)


def _item(item: Any, indent: int) -> Iterator[str]:
    """An item of a list on one line, or a field to a line where that would be too long."""
    head, fields = f"{' ' * indent}  - ", _fields(item)
    if not fields or _few(item):
        line = head + (_outside(item) if isinstance(item, str) else flow(item))
        if len(line) <= WIDTH or not fields:
            yield line
            return
    first, *rest = (
        line for name, inner in fields.items() for line in _field(name, inner, indent + 4)
    )
    yield head + first[len(head) :]
    yield from rest


def _outside(text: str) -> str:
    """Text that stands outside of brackets."""
    return text if _PLAIN_LINE.fullmatch(text) and _is_text(text) else scalar(text)


def _fields(value: Any) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _items(value: Any) -> list[Any]:
    return list(cast("list[Any]", value)) if isinstance(value, (list, tuple)) else []


def _few(value: Any) -> bool:
    """Whether so little is in it that a line could hold it; more is not counted."""
    return sum(1 for _ in islice(_leaves(value), WIDTH)) < WIDTH


def _leaves(value: Any) -> Iterator[Any]:
    inner = _fields(value).values() or _items(value)
    if not inner:
        yield value
    for item in inner:
        yield from _leaves(item)


def _fits(inner: list[Any], line: str) -> bool:
    nested = sum(1 for item in inner if _fields(item) or _items(item))
    return len(line) <= WIDTH and nested <= 1 and not (nested and len(inner) > 4)


def flow(value: Any) -> str:
    """`value` on one line."""
    if isinstance(value, dict):
        parts = (f"{scalar(name)}: {flow(inner)}" for name, inner in _fields(value).items())
        return "{" + ", ".join(parts) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(flow(item) for item in _items(value)) + "]"
    return scalar(value)


def scalar(value: Any) -> str:
    """One value; text stands in quotes wherever YAML could read it as something else."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return f"{value:_}" if abs(value) >= 10_000 else str(value)
    if isinstance(value, float):
        return _float(value)
    text = str(value)
    return text if _PLAIN.fullmatch(text) and _is_text(text) else _quoted(text)


def _quoted(text: str) -> str:
    # YAML has JSON's escapes, but for characters beyond U+FFFF its own.
    quoted = json.dumps(text, ensure_ascii=False)
    return re.sub(r"[^ -~]", lambda found: f"\\U{ord(found[0]):08x}", quoted)


def _float(value: float) -> str:
    if value.is_integer() and abs(value) < 1e15:
        return scalar(int(value))
    text = repr(value)
    # YAML 1.1 readers want a point in the mantissa: 1e-06 is text to them.
    mantissa, mark, exponent = text.partition("e")
    return f"{mantissa}.0e{int(exponent)}" if mark and "." not in mantissa else text


@lru_cache(maxsize=4096)  # the same few names stand all over a spec
def _is_text(text: str) -> bool:
    return plain_type(text) == "str"
