"""A model's name from whatever a configuration calls it."""

from __future__ import annotations

import re
from typing import Any

_OUTSIDE = re.compile(r"[^a-z0-9._-]+")


def model_name(*candidates: Any) -> str:
    """The first candidate that leaves a name of the language's pattern, else `model`.

    Of a path or a repository's `owner/name` the last part counts.
    """
    for candidate in candidates:
        if not isinstance(candidate, str):
            continue
        last = candidate[-1000:].replace("\\", "/").rstrip("/").rpartition("/")[2]
        name = _OUTSIDE.sub("-", last.lower()).lstrip("._-")[:80].rstrip("-")
        if name:
            return name
    return "model"
