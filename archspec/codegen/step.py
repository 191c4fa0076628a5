"""What the template of step.py sees: the fields of a step, and how each comes about."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

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

    def given(self, value: str) -> StepField:
        """The same with another value."""
        return replace(self, value=value)


PADDING = StepField(
    "padding",
    "Tensor | None",
    "(B, start + T), True for a real token; None when all are",
    "padding",
)
TEXTS = StepField(
    "texts",
    "Tensor | None",
    "(B, start + T), a number for each text; None where a row is one",
    "texts",
    "Tensor | None = None",
)
PLACES = StepField("places", "Tensor | None", "(B, start + T), of each token in its text", "places")
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
SPANS = StepField(
    "spans",
    "Tensor | None",
    "(B, 2, T), where each token's text begins and ends; None with gaps",
    "real_spans(padding, start, tokens, like)",
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


def rotation(rotary: RotaryView, packs: bool) -> StepField:
    """The cosines and sines of a rotation."""
    length = (", length" if packs else ", start + tokens") if rotary.reads_length else ""
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


def counting(packs: bool, spans: bool, positions: bool, places: bool, lengths: bool) -> list[str]:
    """The statements that count the tokens of each text, and number texts that may be packed.

    They give `positions` of new tokens, `places` of all that are known, and, where a rotation
    reads it, the `length` of their text.
    """
    packed, alone, padded = _counts(positions, places)
    counted = ["if padding is None:", *_within(alone)] if alone else []
    counted += ["else:  # among the real tokens of each text", *_within(padded)] if padded else []
    if not packs:
        return counted
    known = "texts, spans = padding, real_spans(padding, start, tokens, like)"
    length = "length = (spans[:, 1] - spans[:, 0])[:, None, :, None]"
    return [
        "if texts is not None and tokens > 1:  # packed, and each is counted from its first token",
        "    spans = text_spans(texts)",
        "    texts = spans[:, 0]  # a number for each",
        *_within([*packed, *[length] * lengths]),
        "else:",
        f"    {known if spans else 'texts = padding'}",
        *_within([*counted, *["length = start + tokens"] * lengths]),
    ]


def _counts(positions: bool, places: bool) -> tuple[list[str], list[str], list[str]]:
    """Where tokens stand: in packed texts, in one that is a whole row, in one beside padding."""
    packed = "torch.arange(tokens, device=like.device) - texts"
    alone = "torch.arange(start, start + tokens, device=like.device)[None]"
    padded = "(padding.cumsum(dim=1) - 1).clamp(min=0)"
    if places and positions:
        whole = [f"places, positions = None, {alone}"]
        beside = [f"places = {padded}", "positions = places[:, start:]"]
        return [f"positions = places = {packed}"], whole, beside
    if places:
        return [f"places = {packed}"], ["places = None"], [f"places = {padded}"]
    if positions:
        padded = f"{padded}[:, start:]"
        return [f"positions = {packed}"], [f"positions = {alone}"], [f"positions = {padded}"]
    return [], [], []


def _within(lines: list[str]) -> list[str]:
    return [f"    {line}" for line in lines]
