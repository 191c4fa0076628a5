"""Spec data → the YAML a person would write: short mappings on one line, the rest opened up."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

WIDTH = 100

_RESERVED = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}
# A bare scalar may only be made of what cannot start or end anything in YAML.
_BARE_IN_FLOW = re.compile(r"[A-Za-z_]+(?:[A-Za-z0-9_./()-]*[A-Za-z0-9_.)])?")
_BARE = re.compile(r"[A-Za-z0-9_]+(?:[A-Za-z0-9_.,/(){} -]*[A-Za-z0-9_.)}])?")
_NUMBER = re.compile(r"[0-9][0-9._xobeEa-fA-F+-]*")


class Open(dict[str, Any]):
    """A mapping that is always written over several lines."""


def lines(data: Mapping[str, Any], indent: int = 0) -> list[str]:
    """`data` as the lines of a YAML mapping, `indent` columns in."""
    out: list[str] = []
    pad = " " * indent
    for key, value in data.items():
        start = f"{pad}{scalar(key, _BARE)}:"
        short = _flow(value)
        if not isinstance(value, (Mapping, list)):
            out.append(f"{start} {scalar(value, _BARE)}")
        elif short is not None and len(start) + 1 + len(short) <= WIDTH:
            out.append(f"{start} {short}")
        elif isinstance(value, list):
            items = cast("list[Any]", value)
            out += [start, *(f"{pad}  - {scalar(item, _BARE)}" for item in items)]
        else:
            out += [start, *lines(cast("Mapping[str, Any]", value), indent + 2)]
    return out


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


def scalar(value: Any, bare: re.Pattern[str]) -> str:
    """One value; text that does not match `bare` is quoted, so it can never be more than text."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return f"{value:_}" if abs(value) >= 10_000 else str(value)
    if isinstance(value, float):
        return _real(value)
    word = str(value)
    safe = bare.fullmatch(word) and word.lower() not in _RESERVED and not _NUMBER.fullmatch(word)
    return word if safe else _quoted(word)


def _quoted(word: str) -> str:
    # YAML has JSON's escapes, but for characters beyond U+FFFF its own.
    quoted = json.dumps(word, ensure_ascii=False)
    return re.sub(r"[^ -~]", lambda found: f"\\U{ord(found[0]):08x}", quoted)


def _real(value: float) -> str:
    if value.is_integer() and abs(value) < 1e15:
        return scalar(int(value), _BARE)
    digits, exponent, power = repr(value).partition("e")
    if not exponent:
        return digits
    return f"{digits if '.' in digits else digits + '.0'}e{int(power)}"


def _flow(value: Any) -> str | None:
    """`value` on one line, or nothing where part of it must be opened."""
    if isinstance(value, Open):
        return None
    if isinstance(value, Mapping):
        pairs = cast("Mapping[str, Any]", value).items()
        parts = [(scalar(key, _BARE_IN_FLOW), _flow(item)) for key, item in pairs]
        if any(item is None for _, item in parts):
            return None
        return "{" + ", ".join(f"{key}: {item}" for key, item in parts) + "}"
    if isinstance(value, list):
        items = cast("list[Any]", value)
        return "[" + ", ".join(scalar(item, _BARE_IN_FLOW) for item in items) + "]"
    return scalar(value, _BARE_IN_FLOW)
