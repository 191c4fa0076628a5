"""What a step finds wrong, as a value: put into words at the end, when all of it is known."""

from __future__ import annotations

from dataclasses import dataclass

from archspec.errors import Mark


@dataclass(frozen=True)
class Guess:
    """A name that nothing has: one of `known` was probably meant, and `otherwise` helps if not."""

    name: str
    known: tuple[str, ...]
    otherwise: str = ""


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong.

    `path` is the dotted way to it (`blocks.local.mixer.heads`), `hint` what helps, or what it is
    to be looked for in.
    """

    message: str
    path: str = ""
    mark: Mark | None = None
    hint: str | Guess = ""
