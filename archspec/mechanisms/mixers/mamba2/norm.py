"""What the template of the norm beside a gate sees: one class for all sizes and ways to scale."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass


@dataclass(frozen=True)
class GroupedNorm:
    """The class; what no user needs is left out."""

    scaled: str
    """How it scales, in words."""

    parameters: str
    """What it takes beside its sizes and eps."""

    center: bool
    weight: str | None
    """The expression that makes its parameter."""

    optional: bool
    """Some of its users have no such parameter."""

    start: str
    """The statement that writes what it starts as."""

    result: str


def grouped_norm(kinds: Set[str | None]) -> GroupedNorm:
    """`kinds` are the ways in which its users scale: `weight`, `1.0 + weight`, or not at all."""
    plain, center, weights = None in kinds, "1.0 + weight" in kinds, bool(kinds - {None})
    if not weights:
        return GroupedNorm("", ", weight: bool = False", False, None, False, "", "y")
    made, result = "nn.Parameter(torch.empty(groups * width))", "y * self.weight"
    if center:
        result = "y * (self.center + self.weight)"
    return GroupedNorm(
        scaled=", scaled by center + weight" if center else ", scaled",
        parameters=(", weight: bool = True" if plain else "")
        + (", center: float = 0.0" if center else ""),
        center=center,
        weight=f"{made} if weight else None" if plain else made,
        optional=plain,
        start="nn.init.constant_(self.weight, 1.0 - self.center)"
        if center
        else "nn.init.ones_(self.weight)",
        result=f"y if self.weight is None else {result}" if plain else result,
    )
