"""Numbers of a class: in place where all that share the class agree, else its arguments."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

Number = int | float | str | None
"""What a class may be made with: a number, or the name of what it shares with other layers."""


def number(value: Number) -> str:
    """A Python literal, the digits of large numbers in groups of three: `262_144`."""
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, float):
        if value.is_integer() and abs(value) < 1e16:
            return f"{int(value):_}.0"
        return repr(value).replace("e-0", "e-")
    return repr(value) if value is None or abs(value) < 10_000 else f"{value:_}"


def times(*factors: str) -> str:
    """A product as people write it: without ones, and a number alone as it is."""
    kept = [factor for factor in factors if factor != "1"]
    return " * ".join(kept) or "1"


@dataclass(frozen=True)
class Fact:
    """A number that a class owns."""

    name: str
    values: tuple[Number, ...]
    """What it is in each mechanism that shares the class."""

    @property
    def varies(self) -> bool:
        """Whether it is an argument of the class."""
        return len(set(self.values)) > 1

    @property
    def type(self) -> str:
        """The type of that argument."""
        kinds = {type(value).__name__ for value in self.values if value is not None}
        kind = "float" if "float" in kinds else kinds.pop()
        return f"{kind} | None" if None in self.values else kind

    @property
    def made(self) -> str:
        """The expression in the class's constructor."""
        return self.name if self.varies else number(self.values[0])

    @property
    def used(self) -> str:
        """The expression in its other functions."""
        return f"self.{self.name}" if self.varies else number(self.values[0])

    @property
    def given(self) -> bool:
        """Whether there is such a number in any of them."""
        return any(value is not None for value in self.values)


class Facts:
    """The facts of one class by name."""

    def __init__(self, alike: Sequence[Mapping[str, Number]] = ()):
        """Of the mechanisms that share it, what each has by name."""
        names = list(alike[0]) if alike else []
        self._facts = {name: Fact(name, tuple(one[name] for one in alike)) for name in names}

    def __getitem__(self, name: str) -> Fact:
        """The fact called `name`."""
        return self._facts[name]

    @property
    def varying(self) -> list[Fact]:
        """Those that are arguments, in order."""
        return [fact for fact in self._facts.values() if fact.varies]

    def of(self, place: int) -> dict[str, Number]:
        """The arguments of one of the mechanisms."""
        return {fact.name: fact.values[place] for fact in self.varying}


def parameters(facts: Iterable[Fact]) -> str:
    """What follows `self` in a constructor: `, window: int | None, base: float`."""
    return "".join(f", {fact.name}: {fact.type}" for fact in facts)
