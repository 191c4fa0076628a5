"""What the template of step.py sees: the fields of a step, and how each comes about."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from archspec.codegen.rotary import RotaryView
from archspec.graph import Parameter


@dataclass(frozen=True)
class StepField:
    """A field beside the start and the padding: its type, what it holds, its value."""

    name: str
    type: str
    note: str
    value: str
    parameter: str | None = None
    """The type and default of the argument that brings it, where one does."""


POSITIONS = StepField("positions", "Tensor", "(1 or B, T)", "positions")
PREFIX = StepField(
    "prefix",
    "int",
    "so many tokens at the start of each text see each other both ways",
    "prefix",
    "int = 0",
)
SOURCE_PADDING = StepField(
    "source_padding",
    "Tensor | None",
    "(B, S), True for a real token of the source",
    "source_padding",
    "Tensor | None = None",
)
BOUNDS = StepField(
    "bounds",
    "Tensor | None",
    "(B, 2), where each text begins and ends; None where one has gaps",
    "text_bounds(padding, like) if start == 0 or tokens == 1 else None",
)
SOURCE_BOUNDS = StepField(
    "source_bounds",
    "Tensor | None",
    "(B, 2), where it begins and ends",
    "text_bounds(source_padding, like)",
)
SHARED = StepField("shared", "dict[str, tuple[Tensor, ...]]", "for later layers, by name", "{}")
TABLES = StepField(
    "tables",
    "dict[str, Tensor]",
    "for all layers of a stack, by name",
    "tables or {}",
    "dict[str, Tensor] | None = None",
)


def source(width: int) -> StepField:
    """The states of an encoder."""
    note = f"(B, S, {width}), the encoder's states; None once they were read"
    return StepField("source", "Tensor | None", note, "source", "Tensor | None = None")


def rotation(rotary: RotaryView) -> StepField:
    """The cosines and sines of a rotation."""
    length = ", start + tokens" if rotary.reads_length else ""
    note = f"(1 or B, 1, T, {rotary.width}) twice"
    return StepField(rotary.name, "Rotary", note, f"{rotary.name}(positions, like.dtype{length})")


def tables_passed(common: Iterable[Parameter], owned: bool = True) -> str:
    """The argument of `make_step` with the tables that all layers of a stack share, if any.

    They are `owned` by the caller, or variables of it.
    """
    values = {table_name(t): f"self.{t.name}" if owned else table_name(t) for t in common}
    inner = ", ".join(f'"{name}": {value}' for name, value in values.items())
    return f", tables={{{inner}}}" if inner else ""


def table_name(table: Parameter) -> str:
    """A shared table's name in its stack."""
    return table.name.partition(".")[0]
