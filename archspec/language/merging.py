"""Located mappings laid over each other, and how much of that a spec may ask for."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from archspec.errors import MAX_OF_A_KIND, Diagnostic, Mark
from archspec.errors.printing import clipped, listed
from archspec.language.source import Items, Map
from archspec.language.wording import meant

MAX_KINDS = 256
"""Kinds of layer, those that `overrides` make among them: each is a class of the package."""

MAX_VALUES = 50_000
"""Of all blocks together, once they hold what they inherit."""


class TooMuch(Exception):
    """The blocks cannot be written out; why is among the problems."""


@dataclass
class Writing:
    """What is found while a spec is written out."""

    problems: list[Diagnostic] = field(default_factory=list[Diagnostic])
    broken: set[str] = field(default_factory=set[str])
    overridden: dict[str, str] = field(default_factory=dict[str, str])
    parents: dict[str, str] = field(default_factory=dict[str, str])
    names: int = 0
    values: int = 0

    def problem(self, message: str, path: str, mark: Mark, hint: str = "") -> None:
        self.problems.append(Diagnostic(message, path, mark, hint))

    def written(self, block: Any, path: str, mark: Mark) -> None:
        """Count the values of a block that is written out; too many end it all."""
        self.values += size(block)
        if self.values > MAX_VALUES:
            message = f"more than {MAX_VALUES:,} values once every block is written out"
            self.problem(message, path, mark)
            raise TooMuch

    def unknown(self, name: str, known: Collection[str], path: str, mark: Mark) -> None:
        """A name that no block has; what was meant is looked for as long as anybody reads it."""
        self.names += 1
        hint = ""
        if self.names <= MAX_OF_A_KIND:
            hint = meant(name, known) or (f"the blocks are {listed(known)}" if known else "")
        self.problem(f"no block is called {clipped(name, 60)!r}", path, mark, hint)


def copy(value: Map) -> Map:
    """A shallow copy that keeps the places."""
    out = Map(value.mark)
    for key in value:
        out.put(key, value[key], value.keys_at[key], value.values_at[key])
    return out


def merge(base: Map, over: Map) -> Map:
    """`base` with the fields of `over`; mappings merge unless their `type` differs."""
    out = copy(base)
    out.mark = over.mark
    for key, value in over.items():
        below = base.get(key)
        if isinstance(value, Map) and isinstance(below, Map) and _same_type(below, value):
            value = merge(below, value)
        out.put(key, value, over.keys_at[key], over.values_at[key])
    return out


def size(value: Any) -> int:
    """How many values there are in `value`, itself included."""
    if isinstance(value, Map):
        return 1 + sum(size(inner) for inner in value.values())
    return 1 + sum(size(item) for item in value) if isinstance(value, Items) else 1


def _same_type(a: Map, b: Map) -> bool:
    return "type" not in a or "type" not in b or a["type"] == b["type"]
