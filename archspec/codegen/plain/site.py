"""What a mechanism's `plain.py` says and may ask for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Protocol, get_args

from archspec.codegen.plain.facts import Facts, Number, number, parameters
from archspec.codegen.plain.norms import Norms
from archspec.codegen.plain.rotations import Key, Rotation
from archspec.codegen.plain.words import doc
from archspec.errors import ArchspecError
from archspec.mechanisms.base import Mechanism
from archspec.spec.norm import Norm

TYPES = {
    "positions": "Tensor",
    "past": "State | None",
    "source": "Source | None",
    "vector": "Tensor",
    "shared": "dict[str, State]",
    "relative": "nn.Embedding",
    "prefix": "int",
}
"""What a layer may be called with after x, in order, and its type."""


@dataclass(frozen=True)
class PlainClass:
    """One class: its constructor, what it is called with, and its forward pass."""

    name: str
    caption: str
    facts: Facts
    made: tuple[str, ...]
    """The statements of its constructor."""

    lines: tuple[str, ...]
    """The statements of its forward pass."""

    arguments: tuple[str, ...] = ()
    """What a layer passes it after x."""

    keeps: bool = False
    """It gives back what it keeps beside its output."""

    reads_depth: bool = False
    """It is made with the index of its layer."""

    inner: tuple[PlainClass, ...] = ()
    """The classes that it is made of, which stand before it."""

    drawn: bool = False
    """Its own matrices are drawn as those of linear layers."""

    template: str = "templates/plain/class.py.jinja"
    more: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """What another template needs."""

    @property
    def doc(self) -> str:
        """Its docstring."""
        return doc(self.caption)

    @property
    def parameters(self) -> str:
        """What follows `self` in its constructor."""
        return (", index: int" if self.reads_depth else "") + parameters(self.facts.varying)

    @property
    def returns(self) -> str:
        """The type of what its forward pass gives."""
        return "tuple[Tensor, State]" if self.keeps else "Tensor"

    @property
    def signature(self) -> str:
        """The parameters of its forward pass."""
        own = (f"{name}: {TYPES[name]}" for name in self.arguments)
        return ", ".join(["self", "x: Tensor", *own])


@dataclass(frozen=True)
class PlainSite:
    """Names and sizes around the mechanisms that share a class."""

    class_name: str
    hidden_size: int
    decodes: bool
    """Whether the model keeps anything between calls."""

    norms: Norms
    rotations: Mapping[Key, Rotation]
    shared: Mapping[str, str]
    """What layers take from earlier ones, and what it is called in the file."""

    @property
    def width(self) -> str:
        """The width of the stream as it is written."""
        return number(self.hidden_size)

    def norm(self, norm: Norm, width: str, heads: str | None = None) -> str:
        """The expression that makes `norm`."""
        return self.norms.made(norm, width, heads)


class PlainModule(Protocol):
    """A mechanism's `plain.py`."""

    def varies(self, mechanism: Any, shared: Mapping[str, str]) -> Mapping[str, Number]:
        """What mechanisms of one class may differ in; `shared` as in `PlainSite`."""
        ...

    def alike(self, mechanism: Any, shared: Mapping[str, str]) -> object:
        """What mechanisms of one class have in common."""
        ...

    def differs(self, mechanism: Any) -> Iterator[str]:
        """In what it differs from that of a plain decoder, `{layers}` standing for those it is in.

        A plain decoder has causal attention with rotary positions and a feed-forward gated by SiLU.
        """
        ...

    def plain(self, mechanism: Any, facts: Facts, site: PlainSite) -> PlainClass:
        """The class for all that are like `mechanism`; they differ in some of `facts`."""
        ...


def plain_module(kind: type[Mechanism]) -> PlainModule:
    """The `plain.py` beside a mechanism's `spec.py`.

    Raises `ArchspecError` where there is none.
    """
    name = kind.__module__.removesuffix(".spec") + ".plain"
    if find_spec(name) is None:
        written = get_args(kind.model_fields["type"].annotation)
        raise ArchspecError(
            f"`type: {written[0]}` has no plain form\n"
            "  help: `archspec build` without --plain writes a package"
        )
    module: Any = import_module(name)
    return module


def nothing(mechanism: Mechanism, shared: Mapping[str, str]) -> Mapping[str, Number]:
    """For mechanisms whose numbers all stand in place."""
    return {}


def whole(mechanism: Mechanism, shared: Mapping[str, str]) -> object:
    """For mechanisms that share a class where they are the same."""
    return mechanism.model_copy(update=OUTSIDE)


def mixes(mechanism: Mechanism) -> Iterator[str]:
    """For mixers that are no attention: what they are called."""
    yield f"{{layers}} mix tokens by {mechanism.title()}"


OUTSIDE: dict[str, Any] = {"input_scale": None, "output_scale": None}
"""What of a mechanism stands in its layer."""


def linear(name: str, inputs: str, outputs: str, bias: bool = False) -> str:
    """The statement that makes a linear map."""
    return f"self.{name} = nn.Linear({inputs}, {outputs}{'' if bias else ', bias=False'})"
