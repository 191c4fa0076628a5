"""Where a mechanism stands in a package being built: what its view may ask for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from archspec.codegen import norms
from archspec.codegen.definitions import Defined
from archspec.codegen.files import SharedFile
from archspec.codegen.norm_rotary import Heads, Turned
from archspec.codegen.rotary import RotaryView, Turn
from archspec.mechanisms.base import Mechanism
from archspec.spec.norm import Norm


def _nothing(views: list[Any]) -> tuple[Defined, ...]:
    """No function has a definition of its own."""
    return ()


@dataclass(frozen=True)
class Check:
    """What a mechanism adds to the package's selftest.

    Functions that have definitions are held to these whenever a layer calls them. What is not
    called so has a `function` of its own, in a `template`, that returns a difference; where it
    `watches`, it is a context manager of a list, which fills with differences while the layers are
    checked.
    """

    sentence: str
    defined: Callable[[list[Any]], tuple[Defined, ...]] = _nothing
    """The functions of its package that have a definition, of its views."""

    tokens: int = 0
    """How many tokens show all of its forms."""

    label: str = ""
    function: str = ""
    imports: str = ""
    """What the function needs."""

    template: str = "check.py.jinja"
    context: Callable[[list[Any]], dict[str, Any]] | None = None
    """What its template finds in `check.shared`; as `shared` of the view says where left out."""

    watches: bool = False


@dataclass(frozen=True)
class Site:
    """Names and sizes around one mechanism."""

    class_name: str
    hidden_size: int
    rotaries: dict[Any, RotaryView]
    decodes: bool
    """Whether the model keeps anything between calls."""
    taken: frozenset[str]
    """The names of what layers take from earlier ones."""
    own_norms: norms.Written = field(default_factory=norms.Written)
    turned: Turned = field(default_factory=Turned)
    packs: bool = False
    """Whether a row may hold several texts."""

    def norm(self, norm: Norm, width: int, heads: int | None = None) -> str:
        """The expression that makes `norm`; remembers a class that must be written out."""
        self.own_norms.remember(norm, width, heads)
        return norms.constructor(norm, width, heads)

    def turns(self, turn: Turn, heads: int, before: int = 0, normed: bool = False) -> None:
        """Remember that `heads` heads turn, which lie side by side in what a projection gives.

        `before` numbers of another use stand before each. `normed` ones have an RMSNorm before,
        which is computed with the rotation.
        """
        room, start = before + turn.head_dim, before + turn.start
        next_head = room if heads > 1 else 0
        found = Heads(heads, turn.width, turn.apart, heads * room, next_head, start)
        (self.turned.normed if normed else self.turned.alone).add(found)


class ModuleView(Protocol):
    """What codegen itself needs of a mechanism's view; its template may need more."""

    @property
    def class_name(self) -> str:
        """The class in the built package."""
        ...

    @property
    def cache(self) -> str | None:
        """The class of what it keeps between calls, where it keeps anything."""
        ...

    @property
    def arguments(self) -> str:
        """What a layer passes it after x: `, step, cache`."""
        ...


class ViewModule(Protocol):
    """A mechanism's `view.py`."""

    FILE: str
    """The file in the built package that holds its classes."""

    PURPOSE: str
    """That file in a few words, for the package's README."""

    SHARED: tuple[SharedFile, ...]

    CACHES: Mapping[str, str]
    """The template of each class that its views name as their `cache`."""

    CHECKS: tuple[Check, ...]

    def view(self, mechanism: Any, site: Site) -> ModuleView:
        """What the template sees of one mechanism."""
        ...

    def shared(self, views: list[Any]) -> dict[str, Any]:
        """What the shared files' templates see."""
        ...


def view_module(kind: type[Mechanism]) -> ViewModule:
    """The `view.py` beside a mechanism's `spec.py`."""
    from importlib import import_module

    module: Any = import_module(kind.__module__.removesuffix(".spec") + ".view")
    return module


def template(kind: type[Mechanism], name: str) -> str:
    """A template of a mechanism, from the root of archspec; others are from there."""
    if name.startswith(("templates/", "mechanisms/")):
        return name
    return "/".join([*kind.__module__.split(".")[1:-1], "templates", name])
