"""What the functions of a package are held to: definitions, copied into it function by function.

They are read as text where mechanisms are written out, since nothing here imports torch.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files


@dataclass(frozen=True)
class Defined:
    """A function of the package, and the definition that takes the same arguments."""

    owner: str
    """The module, or a class of it, whose calls go by `forward`: `conv.ShortConv`."""

    function: str
    source: str
    """The file of the definition, from the root of archspec."""

    definition: str
    calls: tuple[str, ...] = ()
    """Other functions of that file that it calls."""

    @property
    def module(self) -> str:
        """The module it is in."""
        return self.owner.partition(".")[0]

    @property
    def pair(self) -> str:
        """The entry of the selftest's table."""
        return f'({self.owner}, "{self.function}"): definitions.{self.definition}'


def written_out(defined: Iterable[Defined]) -> list[str]:
    """The text of every function that these need, each once."""
    names = ((one.source, name) for one in defined for name in (*one.calls, one.definition))
    return [_text(source, name) for source, name in dict.fromkeys(names)]


def held_modules(defined: Iterable[Defined]) -> list[str]:
    """The modules of the package that the selftest imports for them."""
    found = {one.module for one in defined}
    return sorted({"definitions", *found}) if found else []


@cache
def _text(source: str, name: str) -> str:
    """One function of a file, as it stands there."""
    text = files("archspec").joinpath(source).read_text(encoding="utf-8")
    found = [n for n in ast.parse(text).body if isinstance(n, ast.FunctionDef) and n.name == name]
    assert len(found) == 1, f"{source} has no {name}"
    segment = ast.get_source_segment(text, found[0])
    assert segment
    return segment
