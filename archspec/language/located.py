"""Data that remembers where each part of it stands in a file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from archspec.errors import Diagnostic, Mark, SpecError


class Map(dict[str, Any]):
    """A mapping that knows the place of each of its keys and values."""

    def __init__(self, mark: Mark) -> None:
        """Start empty, at `mark`."""
        super().__init__()
        self.mark = mark
        self.keys_at: dict[str, Mark] = {}
        self.values_at: dict[str, Mark] = {}

    def put(self, key: str, value: Any, key_at: Mark, value_at: Mark) -> None:
        """Set `key`, remembering both places."""
        self[key] = value
        self.keys_at[key] = key_at
        self.values_at[key] = value_at


class Items(list[Any]):
    """A sequence that knows the place of each of its items."""

    def __init__(self, mark: Mark) -> None:
        """Start empty, at `mark`."""
        super().__init__()
        self.mark = mark
        self.items_at: list[Mark] = []


@dataclass(frozen=True)
class Document:
    """The data of one file, its text and its name."""

    data: Map
    text: str
    name: str

    def error(self, diagnostics: list[Diagnostic]) -> SpecError:
        """A `SpecError` that quotes this document."""
        return SpecError(diagnostics, self.name, self.text)


def written_at(data: Map, path: str) -> Mark | None:
    """Where `path` was written, or the nearest of what holds it."""
    here: Any = data
    mark = data.mark
    for part in path.split("."):
        if isinstance(here, Items) and part.isdecimal():
            here, mark = here[int(part)], here.items_at[int(part)]
        elif isinstance(here, Map) and part in here:
            mark = here.keys_at[part] if isinstance(here[part], Map) else here.values_at[part]
            here = here[part]
        else:
            break
    return mark
