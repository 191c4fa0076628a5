"""The rotations of a plain file: one function for ropes that differ in a number or two."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from archspec.architecture.model import Architecture
from archspec.codegen.plain.facts import Fact, Number, number, parameters
from archspec.codegen.plain.words import doc
from archspec.codegen.rotary import RotaryView, rotary_views
from archspec.spec.rope import LinearScaling, Rope

Key = tuple[Rope, int]


@dataclass(frozen=True)
class Rotation:
    """One function that turns heads by their positions."""

    name: str
    view: RotaryView
    rope: Rope
    head_dim: int
    base: Fact
    stretch: Fact
    fraction: Fact
    """The share of all frequencies that are not zero."""

    @property
    def arguments(self) -> list[Fact]:
        """What a caller says."""
        return [fact for fact in (self.base, self.stretch, self.fraction) if fact.varies]

    @property
    def parameters(self) -> str:
        """The same as parameters."""
        return parameters(self.arguments)

    @property
    def scaling(self) -> str | None:
        """The template that stretches its frequencies, but for a plain factor."""
        return None if isinstance(self.rope.scaling, LinearScaling) else self.view.scaling

    @property
    def theta(self) -> str:
        """The expression for the base of its speeds."""
        return self.base.made

    @property
    def divided(self) -> str:
        """What the speeds are divided by, to be appended."""
        return f" / {self.stretch.made}" if self._stretched else ""

    @property
    def _stretched(self) -> bool:
        return self.stretch.values != (1.0,) * len(self.stretch.values)

    @property
    def stills(self) -> str | None:
        """The expression for how many pairs turn, of all of a head, where the others do not."""
        if set(self.fraction.values) == {1.0}:
            return None
        return f"int({self.fraction.made} * half)"

    @property
    def whole(self) -> bool:
        """Whether every dimension goes through it."""
        return self.view.width == self.head_dim

    @property
    def width(self) -> str:
        """The dimensions that turn, in words."""
        return "D" if self.whole and not self.scaling else str(self.view.width)

    @property
    def pairs(self) -> str:
        """Which dimensions turn together, in words."""
        if self.rope.pairing == "interleaved":
            return "(2i, 2i + 1)"
        return f"(i, i + {self.half})"

    @property
    def half(self) -> str:
        """How many pairs turn, in words."""
        return "D/2" if self.width == "D" else str(self.view.width // 2)

    @property
    def of(self) -> str:
        """What is turned, in words."""
        if self.whole:
            return f"x (B, H, T, {self.width})"
        which = "last" if self.rope.last else "first"
        return f"the {which} {self.view.width} of {self.head_dim} numbers of x (B, H, T, D)"

    @property
    def by(self) -> str:
        """By which angle, in words."""
        speed = f"base^(-2i/{self.width})"
        if not self.base.varies:
            speed = f"{self.view.theta:,.0f}^(-2i/{self.width})"
        if self._stretched:
            speed += f" / {'stretch' if self.stretch.varies else self.stretch.made}"
        return f"{'-' if self.rope.reversed else ''}position · {speed}"

    @property
    def doc(self) -> str:
        """Its docstring."""
        if self.scaling and self.rope.scaling:
            return doc(f"Turn the pairs {self.pairs} of {self.of}; {self.rope.scaling.caption()}.")
        return doc(f"Turn the pairs {self.pairs} of {self.of} by {self.by}.")

    @property
    def temperature(self) -> str:
        """The factor on cosine and sine, to be appended."""
        return "" if self.view.temperature == 1.0 else f" * {self.view.temperature!r}"

    @property
    def way(self) -> str:
        """The template of what turns."""
        if self.rope.pairing == "interleaved":
            return "pairs" if self.whole else "pairs_part"
        return "halves" if self.whole else "halves_part"

    def call(self, x: str, given: Mapping[str, str]) -> str:
        """The expression for `x`, turned, where the arguments are `given` by name."""
        said = "".join(
            f", {given[f.name]}"
            if given[f.name].startswith("self.")
            else f", {f.name}={given[f.name]}"
            for f in self.arguments
        )
        return f"{self.name}({x}, positions{said})"

    def both(self, given: Mapping[str, str], names: tuple[str, ...] = ("q", "k")) -> str:
        """The statement that turns queries and keys."""
        literal = any(not given[fact.name].startswith("self.") for fact in self.arguments)
        made = f"{', '.join(names)} = {', '.join(self.call(name, given) for name in names)}"
        if len(names) > 1 and (literal or len(made) > 88):
            call = self.call("heads", given)
            return f"{', '.join(names)} = ({call} for heads in ({', '.join(names)}))"
        return made


def rope_facts(rope: Rope | None) -> dict[str, Number]:
    """The facts of a class whose heads turn, by the names that rotations give them."""
    if rope is None:
        return {}
    return {"base": rope.theta, "stretch": stretch(rope), "fraction": fraction(rope)}


def literals(rope: Rope | None) -> dict[str, str]:
    """The same as expressions, for a class that has no arguments for them."""
    return {name: number(value) for name, value in rope_facts(rope).items()}


def fraction(rope: Rope) -> float:
    """The share of a head's frequencies that are not zero, where it turns through all of it."""
    return rope.fraction if rope.proportional else 1.0


def stretch(rope: Rope) -> float:
    """By how much positions are divided, where the rope is stretched by that alone."""
    return rope.scaling.factor if isinstance(rope.scaling, LinearScaling) else 1.0


def unbased(rope: Rope | None) -> Rope | None:
    """The rope without the numbers in which ropes of one function may differ."""
    if rope is None or not _is_simple(rope):
        return rope
    changes = {"theta": 2.0, "scaling": None}
    if rope.proportional:
        changes |= {"fraction": 1.0, "proportional": False}
    return rope.model_copy(update=changes)


def rotations(a: Architecture) -> dict[Key, Rotation]:
    """The function of each rope and head width."""
    views: dict[Key, RotaryView] = rotary_views(a)
    shared: dict[object, list[Key]] = {}
    for key in views:
        shared.setdefault(_shape(*key), []).append(key)
    found: dict[Key, Rotation] = {}
    for keys in shared.values():
        rope, head_dim = keys[0]
        view = views[keys[0]]
        base = Fact("base", tuple(own.theta for own, _ in keys))
        stretches = tuple(stretch(own) for own, _ in keys)
        if not _is_simple(rope):  # the rest of its numbers are in its template
            base = Fact("base", (view.theta,))
        name = (
            "rotate"
            if len(shared) == 1
            else f"rotate_{view.name.removesuffix('rotary').strip('_')}"
        )
        shares = Fact("fraction", tuple(fraction(own) for own, _ in keys))
        stretched = Fact("stretch", stretches)
        own = Rotation(name.strip("_"), view, rope, head_dim, base, stretched, shares)
        found |= dict.fromkeys(keys, own)
    return found


def _is_simple(rope: Rope) -> bool:
    return rope.scaling is None or isinstance(rope.scaling, LinearScaling)


def _shape(rope: Rope, head_dim: int) -> object:
    """What ropes of one function have in common."""
    if not _is_simple(rope):
        return rope, head_dim
    width = rope.width(head_dim)
    part = None if width == head_dim else (width, head_dim, rope.last)
    return rope.pairing, rope.reversed, part
