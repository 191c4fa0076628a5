"""Colours by role, for a light and a dark page.

The colours of block kinds are those of Okabe and Ito, which colour-blind readers tell apart;
its vermilion is kept for the accent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

KINDS = 7
"""How many block kinds have a colour of their own; further ones repeat it, paler and banded."""


@dataclass(frozen=True)
class Theme:
    """A colour for every role that a figure uses."""

    name: str
    colours: Mapping[str, str]

    def __getitem__(self, role: str) -> str:
        """The colour of `role`, as `#rrggbb`."""
        return self.colours[role]


def _mix(colour: str, ground: str, share: float) -> str:
    """`share` of `colour` on `ground`."""
    pairs = [(int(colour[i : i + 2], 16), int(ground[i : i + 2], 16)) for i in (1, 3, 5)]
    return "#" + "".join(f"{round(a * share + b * (1 - share)):02x}" for a, b in pairs)


def _theme(name: str, base: dict[str, str], kinds: list[str], tint: float) -> Theme:
    colours = dict(base)
    for number, colour in enumerate(kinds):
        colours[f"kind{number}"] = colour
        colours[f"kind{number}.tint"] = _mix(colour, base["paper"], tint)
        colours[f"kind{number}.edge"] = _mix(colour, base["paper"], 0.55)
        # On white in either theme: what stands on it is dark.
        colours[f"kind{number}.pale"] = _mix(colour, "#ffffff", 0.4)
    return Theme(name, MappingProxyType(colours))


LIGHT = _theme(
    "light",
    {
        "paper": "#ffffff",
        "panel": "#f6f7f9",
        "rule": "#d5d9e0",
        "ink": "#1b2230",
        "muted": "#5d6778",
        "wire": "#3a4354",
        "box": "#ffffff",
        "strong": "#2a3345",
        "strong.ink": "#ffffff",
        "strong.accent": "#ffb580",
        "weight": "#e3e7ee",
        "accent": "#c44a00",
        "accent.tint": "#fdece0",
        "on.kind": "#11151d",
    },
    ["#56b4e9", "#e69f00", "#009e73", "#cc79a7", "#f0e442", "#7f7fd5", "#999999"],
    0.16,
)

DARK = _theme(
    "dark",
    {
        "paper": "#12161e",
        "panel": "#1a202b",
        "rule": "#36404f",
        "ink": "#edf0f5",
        "muted": "#9aa6b8",
        "wire": "#aab5c5",
        "box": "#222a37",
        "strong": "#dfe5ee",
        "strong.ink": "#141922",
        "strong.accent": "#a13c00",
        "weight": "#323d4e",
        "accent": "#ff9152",
        "accent.tint": "#3d2a20",
        "on.kind": "#11151d",
    },
    ["#56b4e9", "#e69f00", "#2fbf95", "#d98bb6", "#f0e442", "#9a9aea", "#a8a8a8"],
    0.15,
)

THEMES: Mapping[str, Theme] = MappingProxyType({theme.name: theme for theme in (LIGHT, DARK)})
