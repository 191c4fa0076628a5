"""A `config.json` from a stranger → data."""

from __future__ import annotations

import json
from typing import Any, cast

from archspec.errors import Diagnostic, Mark, SpecError

MAX_CHARACTERS = 16 << 20


def read_config(text: str, where: str) -> dict[str, Any]:
    """The object in `text`; `where` names it in messages.

    Raises:
        SpecError: it is too large, not JSON, has a key twice, or is not an object.
    """
    if len(text) > MAX_CHARACTERS:
        raise SpecError([Diagnostic("larger than 16 MiB; no configuration is")], where)
    try:
        data: Any = json.loads(text.removeprefix("\ufeff"), object_pairs_hook=_object)
    except json.JSONDecodeError as error:
        mark = Mark(error.lineno, error.colno)
        raise SpecError([Diagnostic(f"not JSON: {error.msg}", mark=mark)], where, text) from None
    except RecursionError:
        raise SpecError([Diagnostic("nested too deeply; no configuration is")], where) from None
    except ValueError as error:
        raise SpecError([Diagnostic(f"not a configuration: {error}")], where) from None
    if not isinstance(data, dict):
        raise SpecError([Diagnostic("expected a JSON object of options")], where)
    return cast("dict[str, Any]", data)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for key, value in pairs:
        if key in out:
            raise ValueError(f"the key {key[:60]!r} stands twice in one object")
        out[key] = value
    return out
