"""Files of a package: which template each comes from, what it is for and when it is needed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any


def nothing(views: list[Any]) -> dict[str, Any]:
    """The context of a file that reads the views alone, or not even these."""
    return {}


@dataclass(frozen=True)
class File:
    """A Python file of a package, declared beside what it holds.

    It is there where `needed` names something that is: of what templates see.
    """

    path: str
    template: str
    purpose: str
    """What it is for, in the package's README."""

    needed: str | None = None
    ahead: str | None = None
    """The template that lists its binaries in kernels/ahead.py, where it holds kernels."""

    extra: str | None = None
    """What a package must be asked for to have it: a key of `EXTRAS`."""

    operators: bool = False
    """It registers operators, as kernels do: a package with such a file has operators.py."""

    def asked(self, extras: Collection[str]) -> bool:
        """Whether a package with these keys of `EXTRAS` may have it."""
        return self.extra is None or self.extra in extras

    @property
    def kernels(self) -> bool:
        """Whether it holds kernels: a package with such a file has a folder `kernels`."""
        return self.ahead is not None

    @property
    def module(self) -> str:
        """Its name as a module, without those around it."""
        return self.path.rpartition("/")[2].removesuffix(".py")

    def there(self, context: Mapping[str, Any]) -> bool:
        """Whether a package whose templates see `context` has it."""
        return self.needed is None or bool(context[self.needed])


@dataclass(frozen=True)
class SharedFile(File):
    """A file that the modules of a mechanism import: rendered once from all their views.

    Mechanisms that name the same file have one between them, from the views of all; with `needed`,
    of those whose attribute of that name holds something.
    """

    context: Callable[[list[Any]], dict[str, Any]] | None = None
    """What its template sees beside `modules`, the views of those that import it.

    It is made from the views of all that name the file, so that several files call things alike.
    As `shared` of the mechanism's view says where it is left out; mechanisms that have one file
    between them and differ in that say it here."""

    names: Callable[[list[Any]], dict[str, Any]] = nothing
    """What the templates of all mechanisms that name the file see of it: how to call what it has.

    It is made from the views of all as well, since a name has to tell the shapes of one mechanism
    from those of another."""

    def users(self, views: list[Any]) -> list[Any]:
        """Those of `views` whose modules import it."""
        return [v for v in views if self.needed is None or getattr(v, self.needed)]
