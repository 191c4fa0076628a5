"""What the templates see of an encoder beside the decoder that reads its states."""

from __future__ import annotations

from dataclasses import dataclass

from archspec.architecture.stack import Stack
from archspec.codegen.forward import loop
from archspec.codegen.members import Member
from archspec.codegen.model import stack_members
from archspec.codegen.stacks import EmbeddingView
from archspec.codegen.step import tables_passed


@dataclass(frozen=True)
class EncoderView:
    """The class of the encoder; without a `schedule` its states are given."""

    own: Stack
    schedule: str
    made: str
    """The expressions for its layers."""

    embedding: EmbeddingView
    norm: str | None

    @property
    def caption(self) -> str:
        """Its layers, in words."""
        return f"{len(self.own.layers)} layers that see the whole source, {self.own.schedule}."

    @property
    def written(self) -> str:
        """The schedule as the spec has it."""
        return str(self.own.schedule)

    @property
    def members(self) -> list[Member]:
        """What it is made of, in order."""
        return stack_members(self.embedding, self.own.common, [], self.made, self.norm)

    @property
    def tables(self) -> str:
        """The argument of `make_step` with its layers' common tables."""
        return tables_passed(self.own.common)

    @property
    def lines(self) -> list[str]:
        """The statements from token vectors to its states."""
        scaled = [f"x = x{self.embedding.scale}"] if self.embedding.scale else []
        return [*scaled, *self.embedding.lines, *loop()]

    @property
    def result(self) -> str:
        """The expression for what it returns."""
        return "self.norm(x)" if self.norm else "x"
