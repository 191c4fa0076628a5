"""What a class in a package is made of, and how its numbers are written."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Member:
    """A submodule, parameter or buffer of a class, and the expression that makes it."""

    name: str
    constructor: str


def start(name: str, value: float) -> str:
    """The statement that writes what a tensor of a class starts as."""
    fills = {0.0: f"zeros_(self.{name})", 1.0: f"ones_(self.{name})"}
    return f"nn.init.{fills.get(value, f'constant_(self.{name}, {value!r})')}"


def product(count: int, width: int) -> str:
    """The width of `count` things as people write it: `4 * 64`, or one number where one is 1."""
    return f"{count} * {width}" if count > 1 and width > 1 else f"{count * width}"
