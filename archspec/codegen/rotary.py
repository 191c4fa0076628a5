"""What the rotary template sees: every number of a rope worked out."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from archspec.architecture.model import Architecture
from archspec.codegen.files import File
from archspec.codegen.names import unused
from archspec.spec.rope import (
    DynamicScaling,
    LinearScaling,
    Llama3Scaling,
    LongRopeScaling,
    NtkScaling,
    Rope,
    YarnScaling,
)

ROTARY_FILES = (
    File("rotary.py", "templates/package/rotary.py.jinja", "rotary positions", "rotaries"),
    File(
        "kernels/rotary.py",
        "templates/kernels/rotary/rotary.py.jinja",
        "rotations as a Triton kernel",
        "rotaries",
        ahead="templates/kernels/rotary/ahead_rotary.jinja",
    ),
)

_Rendered = LinearScaling | Llama3Scaling | YarnScaling | DynamicScaling | LongRopeScaling


@dataclass(frozen=True)
class RotaryView:
    """One function of positions; `scaling` is the template that stretches its frequencies.

    `width` dimensions go through the rotation, and the first `turning` of them have a frequency.
    """

    name: str
    caption: str
    theta: float
    width: int
    turning: int
    pairing: str
    backwards: bool = False
    scaling: str | None = None
    factor: float = 1.0
    temperature: float = 1.0
    low: float = 0.0
    high: float = 0.0
    span: float = 1.0
    original_context: int = 0
    longest: str = ""
    shortest: str = ""
    short_factors: tuple[float, ...] = ()
    long_factors: tuple[float, ...] = ()
    grows: str | None = None
    """When tokens turn otherwise in a text of `{after}` tokens than in one of `{before}`."""

    @property
    def reads_length(self) -> bool:
        """Whether all tokens turn by the length of their text, and not by their place alone."""
        return self.grows is not None

    @property
    def paired(self) -> str:
        """The expression for the angle of every dimension: the two of a pair turn by ∓angle, and
        where the rotation goes the other way by ±angle.
        """
        both = "(angle, -angle)" if self.backwards else "(-angle, angle)"
        if self.pairing == "half":
            return f"torch.cat({both}, dim=-1)"
        return f"torch.stack({both}, dim=-1).flatten(-2)"

    def table(self, function: str) -> str:
        """The expression for the table of a function of the angle."""
        made = f"angle.{function}()"
        if self.temperature != 1.0:
            made = f"({made} * {self.temperature!r})"
        return f"{made}.to(dtype)"


@dataclass(frozen=True)
class Turn:
    """The rotation of queries or keys in one class: all of a head, or a part of it."""

    rotate: str
    """The function that turns."""

    rotary: str
    """The tables it turns by."""

    pairing: str
    head_dim: int
    width: int
    last: bool

    @property
    def start(self) -> int:
        """The first dimension that turns."""
        return self.head_dim - self.width if self.last else 0

    @property
    def apart(self) -> int:
        """How far apart the dimensions of a pair lie."""
        return 1 if self.pairing == "interleaved" else self.width // 2

    @property
    def whole(self) -> bool:
        """Whether every dimension goes through it."""
        return self.width == self.head_dim

    def of(self, name: str) -> str:
        """The expression for `name`, turned."""
        turned = f"{self.rotate}({{}}, step.{self.rotary})"
        if self.whole:
            return turned.format(name)
        if self.last:
            part = turned.format(f"{name}[..., {self.start}:]")
            return f"torch.cat(({name}[..., :{self.start}], {part}), dim=-1)"
        part = turned.format(f"{name}[..., :{self.width}]")
        return f"torch.cat(({part}, {name}[..., {self.width}:]), dim=-1)"


def turn(rope: Rope | None, head_dim: int, rotaries: Mapping[Any, RotaryView]) -> Turn | None:
    """How queries and keys of width `head_dim` turn by `rope`, where there is one."""
    if rope is None:
        return None
    own = rotaries[rope, head_dim]
    rotate = "rotate_pairs" if rope.pairing == "interleaved" else "rotate"
    return Turn(rotate, own.name, rope.pairing, head_dim, own.width, rope.last)


def apart(rotaries: Iterable[RotaryView]) -> str:
    """The expression for how far apart the dimensions of a pair lie where its halves turn."""
    widths = {rotary.width for rotary in rotaries if rotary.pairing == "half"}
    return str(widths.pop() // 2) if len(widths) == 1 else "x.shape[-1] // 2"


@dataclass(frozen=True)
class Growth:
    """What makes a text be read anew: the rotations that turn by its length, taken together."""

    shortest: int
    """No text up to this many tokens turns otherwise than it did."""

    conditions: tuple[str, ...]
    """When tokens do, of each such rotation."""

    when: str
    """At which tokens they do, in words."""

    def turns_anew(self, before: str, after: str) -> str:
        """The expression for whether tokens do in a text that has become longer."""
        found = [condition.format(before=before, after=after) for condition in self.conditions]
        return " | ".join(f"({one})" for one in found) if len(found) > 1 else found[0]


def growth(rotaries: Iterable[RotaryView]) -> Growth | None:
    """That of a package's rotations; None where none of them turns by the length of a text."""
    found = [rotary for rotary in rotaries if rotary.grows]
    if not found:
        return None
    conditions = tuple(dict.fromkeys(rotary.grows for rotary in found if rotary.grows))
    shortest = min(rotary.original_context for rotary in found)
    when = (
        f"{'once' if r.long_factors else 'at every token'} beyond {r.original_context:,}"
        for r in found
    )
    return Growth(shortest, conditions, " and ".join(dict.fromkeys(when)))


def rotary_views(architecture: Architecture) -> dict[tuple[Rope, int], RotaryView]:
    """A view for each distinct rope and head width, named after the first block that has it."""
    owners: dict[tuple[Rope, int], tuple[str, str]] = {}
    for block in architecture.blocks:
        for branch in block.branches:
            for label, found in branch.body.rotaries().items():
                owners.setdefault(found, (block.name, label))
    several = len({block for block, _ in owners.values()}) > 1
    taken: set[str] = set()
    views: dict[tuple[Rope, int], RotaryView] = {}
    for key, (block, label) in owners.items():
        parts = [block] if several else []
        name = unused("_".join([*parts, *([label] if label else []), "rotary"]), taken)
        views[key] = _view(name, *key)
    return views


def _view(name: str, rope: Rope, head_dim: int) -> RotaryView:
    width = rope.width(head_dim)
    turning = 2 * int(rope.fraction * head_dim // 2) if rope.proportional else width
    plain = RotaryView(
        name,
        f"Base {rope.theta:,.0f}, {turning} dimensions.",
        rope.theta,
        width,
        turning,
        rope.pairing,
        rope.reversed,
    )
    scaling = rope.scaling
    if scaling is None:
        return plain
    if isinstance(scaling, NtkScaling):
        theta = rope.theta * scaling.factor ** (width / (width - 2))
        return replace(plain, theta=theta, caption=f"Base {theta:,.0f}, {width} dimensions.")
    return replace(
        plain,
        scaling=f"templates/rope/{scaling.type}.py.jinja",
        **_numbers(scaling, rope.theta, width),
    )


def _numbers(scaling: _Rendered, theta: float, width: int) -> dict[str, Any]:
    """The numbers that a scaling's template puts in place."""
    if isinstance(scaling, LinearScaling):
        return {"factor": scaling.factor}
    if isinstance(scaling, DynamicScaling):
        context = scaling.original_context
        grows = f"({{before}} < {{after}}) & ({{after}} > {context})"
        return {"factor": scaling.factor, "original_context": context, "grows": grows}
    if isinstance(scaling, LongRopeScaling):
        context = scaling.original_context
        return {
            "temperature": scaling.attention_factor,
            "original_context": context,
            "short_factors": scaling.short_factors,
            "long_factors": scaling.long_factors,
            "grows": f"({{before}} <= {context}) & ({{after}} > {context})",
        }
    if isinstance(scaling, Llama3Scaling):
        low, high = scaling.low_frequency_factor, scaling.high_frequency_factor
        return {
            "factor": scaling.factor,
            "low": low,
            "span": high - low,
            "original_context": scaling.original_context,
            "longest": f"{scaling.original_context / low:,.0f}",
            "shortest": f"{scaling.original_context / high:,.0f}",
        }
    low, high = _yarn_ramp(scaling, theta, width)
    return {
        "factor": scaling.factor,
        "temperature": scaling.temperature(),
        "low": low,
        "high": high,
        "span": high - low,
    }


def _yarn_ramp(scaling: YarnScaling, theta: float, width: int) -> tuple[float, float]:
    """The dimensions between which YaRN blends (arXiv 2309.00071, section 3.2)."""

    def dimension(turns: float) -> float:
        ratio = scaling.original_context / (turns * 2 * math.pi)
        return width * math.log(ratio) / (2 * math.log(theta))

    low, high = dimension(scaling.beta_fast), dimension(scaling.beta_slow)
    if scaling.truncate:
        low, high = math.floor(low), math.ceil(high)
    low, high = max(low, 0), min(high, width - 1)
    return low, high if high != low else high + 0.001
