"""The list of what archspec wrote into a folder, with the SHA-256 of each file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256

LOCK = "archspec.lock"
WITH = "with"
"""The fact in it that says what a package was asked to have beside what all have: a list."""

Content = str | bytes


def manifest(files: Mapping[str, Content], **facts: str | list[str]) -> str:
    """The text of `archspec.lock` for `files`, with `facts` such as the version before them."""
    hashes = {path: digest(files[path]) for path in sorted(files) if path != LOCK}
    return json.dumps({**facts, "files": hashes}, indent=2) + "\n"


def digest(content: Content) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal."""
    return sha256(as_bytes(content)).hexdigest()


def as_bytes(content: Content) -> bytes:
    """The bytes of a file, text in UTF-8."""
    return content.encode() if isinstance(content, str) else content
