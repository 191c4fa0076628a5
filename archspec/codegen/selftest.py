"""What the template of the selftest sees: how a layer is compared with itself."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from archspec.architecture.graph import Parameter
from archspec.codegen.step import table_name, tables_passed

SOURCE = 7
"""Tokens of the source that a layer reads."""

LEAST, MOST = 24, 1024
"""Tokens that a check reads, but for a few: the scores of the definition are its square."""

BESIDES = 9
"""Those few."""

FEW = 16
"""Kinds of layers whose union is a type that people read, and that Python's own parser can."""


@dataclass(frozen=True)
class Length:
    """How many tokens the checks read, and what that number is."""

    tokens: int
    said: str


def length(windows: Collection[int], patterns: Iterable[int]) -> Length:
    """What fills `windows` and lets `patterns` show all there is, as far as a check can go."""
    tokens = min(max([*windows, *patterns, LEAST]), MOST) + BESIDES
    widest = max(windows, default=0)
    if not widest:
        return Length(tokens, "")
    said = "more than the widest window holds"
    return Length(tokens, said if widest < tokens else "wider windows never fill")


@dataclass(frozen=True)
class Compared:
    """Kinds of layers that are checked in one way, and what such a layer is called with."""

    classes: tuple[str, ...]
    made: str
    """The expression for a layer of the class `kind`."""

    inputs: tuple[tuple[str, str], ...]
    """Further tensors: name and shape."""

    tables: str
    source: str
    """What `make_step` is called with behind x: tables, and at first the source."""

    cached: bool
    vector: bool
    whole: str = ""
    """What it is called with to turn tokens as in the whole text, where its length counts."""

    @property
    def annotation(self) -> str:
        """The type of such a layer."""
        return " | ".join(self.classes) if len(self.classes) <= FEW else "Any"

    def arguments(self, cache: str, vector: str) -> str:
        """What follows the step in a call."""
        parts = [cache] if self.cached else []
        return "".join(f", {part}" for part in parts + ([vector] if self.vector else []))


def compared(
    classes: Iterable[str],
    made: str,
    common: Iterable[Parameter],
    vector: tuple[str, int] | None = None,
    source: int | None = None,
    cached: bool = False,
    grows: bool = False,
) -> Compared:
    """`vector` is how many tokens have one and its width, `source` the width of its states.

    `grows` where the length of a text turns all of its tokens.
    """
    common = list(common)
    inputs = [("source", f"2, {SOURCE}, {source}")] if source else []
    inputs += [(table_name(p), ", ".join(map(str, p.shape))) for p in common]
    inputs += [("vector", f"2, {vector[0]}, {vector[1]}")] if vector else []
    return Compared(
        tuple(classes),
        made,
        tuple(inputs),
        tables_passed(common, owned=False),
        ", source=source" if source else "",
        cached,
        vector is not None,
        ", length=torch.tensor(TOKENS)" if grows else "",
    )
