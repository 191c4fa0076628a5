"""A PDF without the time at which it was made, so that the same figure gives the same bytes."""

from __future__ import annotations

import re

_DATE = re.compile(rb"/(?:CreationDate|ModDate) \(D:[^)]*\)")
_ENTRY = re.compile(rb"^(\d{10})(?= \d{5} n)", re.MULTILINE)
_START = re.compile(rb"(?<=startxref\n)\d+")


def undated(raw: bytes) -> bytes:
    """`raw` without its dates; the places of what follows them are counted anew."""
    while found := _DATE.search(raw):
        raw = _without(raw, found.start(), len(found[0]))
    return raw


def _without(raw: bytes, start: int, gone: int) -> bytes:
    """`raw` without `gone` bytes at `start`."""

    def moved(place: re.Match[bytes]) -> bytes:
        at = int(place[0])
        return b"%0*d" % (len(place[0]), at - gone if at > start else at)

    raw = raw[:start] + raw[start + gone :]
    table = raw.rindex(b"\nxref\n")
    raw = raw[:table] + _ENTRY.sub(moved, raw[table:])
    end = raw.rindex(b"startxref\n")
    return raw[:end] + _START.sub(lambda place: b"%d" % (int(place[0]) - gone), raw[end:])
