"""What the template of step.py sees: the fields of a step, and how each comes about."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from archspec.architecture.graph import Parameter
from archspec.codegen.rotary import RotaryView


@dataclass(frozen=True)
class StepField:
    """A field beside the start and the padding: its type, what it holds, its value."""

    name: str
    type: str
    note: str
    value: str
    parameter: str | None = None
    """The type and default of the argument that brings it, where one does."""

    argument: str | None = None
    """The name of that argument, where it is another than the field's."""

    @property
    def given_as(self) -> str:
        """The name of the argument that brings it."""
        return self.argument or self.name

    def given(self, value: str) -> StepField:
        """The same with another value."""
        return replace(self, value=value)


STARTS = StepField(
    "starts",
    "Tensor | None",
    "(B,), how many of each text; None where all have `start`",
    "starts",
    "Tensor | None = None",
)
ENDS = StepField(
    "ends",
    "Tensor | None",
    "(B,), the same with the new ones; None where all have as many",
    "ends",
)
REAL = StepField(
    "real",
    "Tensor | None",
    "(B, T), True for real tokens, the first of each row; None when all are",
    "real",
)
WRITES = StepField(
    "writes",
    "list[tuple[Tensor, Tensor]]",
    "what is kept, and what it becomes at the end",
    "[]",
)
OPENS = StepField(
    "opens",
    "Tensor | None",
    "(B, T), the place where each token's text opens; None where a row is one",
    "opens",
    "Tensor | None = None",
    "texts",
)
POSITIONS = StepField("positions", "Tensor", "(1 or B, T)", "positions")
LENGTH = StepField(
    "length",
    "Tensor",
    "tokens of each text that are known, (1 or B, 1, 1 or T, 1)",
    "length",
    "Tensor | None = None",
)
PREFIX = StepField(
    "prefix",
    "int",
    "so many tokens at the start of each text see each other both ways",
    "prefix",
    "int = 0",
)
SOURCE_REAL = StepField(
    "source_real",
    "Tensor | None",
    "(B, S), True for the first tokens of a source, behind which is padding",
    "source_real",
    "Tensor | None = None",
)
BOUNDS = StepField(
    "bounds",
    "Tensor | None",
    "(B, 2), where each text begins and ends; None without padding",
    "text_bounds(real, like)",
)
SPANS = StepField(
    "spans",
    "Tensor | None",
    "(B, 2, T), the places where each token's text begins and ends",
    "spans",
)
PREFIX_SPANS = SPANS.given("prefix_spans(real, prefix if start == 0 else 0, like)")
SOURCE_BOUNDS = StepField(
    "source_bounds",
    "Tensor | None",
    "(B, 2), where it begins and ends",
    "text_bounds(source_real, like)",
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
    length = ", length" if rotary.reads_length else ""
    note = f"(1 or B, 1, T, {rotary.width}) twice"
    return StepField(rotary.name, "Rotary", note, f"{rotary.name}(positions, like.dtype{length})")


def tables_passed(common: Iterable[Parameter], owned: bool = True) -> str:
    """The argument of `make_step` with the tables that all layers of a stack share, if any.

    They are `owned` by the caller, or variables of it.
    """
    values = {table_name(t): _rows(t) if owned else table_name(t) for t in common}
    inner = ", ".join(f'"{name}": {value}' for name, value in values.items())
    return f", tables={{{inner}}}" if inner else ""


def _rows(table: Parameter) -> str:
    """The expression for all rows of an embedding, which is called as modules are."""
    return f"self.{table_name(table)}(torch.arange({table.shape[0]}, device=x.device))"


def table_name(table: Parameter) -> str:
    """A shared table's name in its stack."""
    return table.name.partition(".")[0]


def counting(packs: bool, decodes: bool, positions: bool, lengths: bool) -> list[str]:
    """The statements that count the tokens of each text, and find texts that may be packed.

    They give the `ends` of texts that a cache continues, `positions` of new tokens and, where a
    rotation reads it, the `length` of their text.
    """
    ends = ["ends = None"]
    ends += ["if starts is not None:"]
    ends += ["    ends = starts + (tokens if real is None else real.sum(dim=1))"]
    ends += ["elif real is not None:", "    ends = real.sum(dim=1) + start"]
    found = ends if decodes else []
    starts = "starts" if decodes else "None"
    counted = [f"positions = places(start, {starts}, tokens, like.device)"] if positions else []
    if lengths:
        known = "ends is None" if decodes else "real is None"
        last = f"positions[:, -1] + 1 if {known} else {'ends' if decodes else 'real.sum(dim=1)'}"
        counted += ["if length is None:", f"    length = ({last})[:, None, None, None]"]
    if not packs:
        return found + counted
    length = "length = (spans[:, 1] - spans[:, 0])[:, None, :, None]"
    packed = ["spans = text_spans(texts)", "opens = spans[:, 0]"]
    packed += ["positions = torch.arange(tokens, device=like.device) - opens"] * positions
    return [
        *found,
        "if texts is not None and tokens > 1:  # packed, and each is counted from its first token",
        *_within([*packed, *[length] * lengths]),
        "else:",
        *_within(["opens = spans = None", *counted]),
    ]


def _within(lines: list[str]) -> list[str]:
    return [f"    {line}" for line in lines]
