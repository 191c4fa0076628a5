"""The contract of a mechanism: one definition with several faces that must agree.

A mechanism is a folder: `spec.py` (its fields, their invariants, its operator graph and what it
keeps between tokens), `definition.py` (what it computes, in float64), `module.py.jinja` (its
PyTorch), `view.py` (what that template sees), `plain.py` (the same without kernels, for `build
--plain`), `example.yaml` and `README.md`. Tests prove that the faces agree
(tests/mechanisms/test_contract.py), and that what is built gives what the definition says
(tests/mechanisms/test_definition.py), as the plain file does (tests/codegen/test_plain.py).
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from pydantic import Field

from archspec.architecture.graph import OperatorGraph, Parameter
from archspec.architecture.mask import Mask
from archspec.spec.base import Factor, Strict, words
from archspec.spec.rope import Rope


@dataclass(frozen=True)
class State:
    """What one layer keeps between tokens, in numbers of the model's type, for one sequence.

    `per_token` numbers for each of the last `window` tokens (for all of them without one),
    `per_source` numbers for each token of the encoder's text, and
    however long the text `fixed` numbers, and `exact` numbers that are float32 in any model:
    the sums of a recurrence, which would lose their tail in a shorter type.
    """

    per_token: int = 0
    window: int | None = None
    fixed: int = 0
    exact: int = 0
    per_source: int = 0

    def retained(self, tokens: int) -> int:
        """How many of `tokens` tokens are kept."""
        return tokens if self.window is None else min(self.window, tokens)

    def fixed_bytes(self, width: int) -> int:
        """Bytes kept however long the text, where a number of the model has `width` bytes."""
        return width * self.fixed + 4 * self.exact

    def bytes(self, tokens: int, width: int, source: int = 0) -> int:
        """Bytes kept for a sequence of `tokens` tokens, beside a source of `source`."""
        kept = self.per_token * self.retained(tokens) + self.per_source * source
        return width * kept + self.fixed_bytes(width)


class Slopes(NamedTuple):
    """Head h of `heads`, from 1, keeps exp(−f · 2^(−exponent · h / heads)) of its state.

    In layer l of its stack, counted from 0, f is factor − fall · l.
    """

    heads: int
    exponent: float
    factor: float
    fall: float


USUAL_OUTPUTS = ("o_proj", "out_proj", "down_proj")


class Mechanism(Strict):
    """A mixer or a feed-forward: what a block's branch computes."""

    input_scale: Factor | None = Field(
        default=None, description="Multiplies what it reads, after any norm before it."
    )
    output_scale: Factor | None = Field(
        default=None, description="Multiplies what it gives, after any norm behind it."
    )

    attribute: ClassVar[str]
    """The module's name inside a layer, after the published checkpoints (`self_attn`)."""

    noun: ClassVar[str]
    """The class in the built package where there is only one of its type (`Attention`)."""

    @abstractmethod
    def graph(self, hidden_size: int) -> OperatorGraph:
        """The operators between the branch's input and output, both of width `hidden_size`."""

    @abstractmethod
    def title(self) -> str:
        """The name as drawn on the block: `Grouped-query attention`."""

    proper: ClassVar[bool] = False
    """Its title begins with a name of its own (`Mamba`), which is written so within a sentence."""

    def within(self) -> str:
        """The title within a sentence: `grouped-query attention`, `gated DeltaNet`, `Mamba`."""
        title = self.title()
        first = title.split()[0][1:]
        kept = self.proper or first != first.lower()
        return title if kept else title[:1].lower() + title[1:]

    def label(self) -> str:
        """What it does here, within a sentence: `sliding attention`."""
        return words(self.role())

    def plural(self) -> str:
        """What several of it are called: `sliding attention layers`, `gated DeltaNets`."""
        return f"{self.label()} layers"

    @abstractmethod
    def caption(self, hidden_size: int) -> str:
        """One sentence with the numbers, for docstrings and callouts."""

    @abstractmethod
    def role(self) -> str:
        """The class name that says what it does here: `SlidingAttention`."""

    def outputs(self) -> tuple[str, ...]:
        """The matrices whose product is added to the stream: the last of their names."""
        return USUAL_OUTPUTS

    def state(self) -> State:
        """What it keeps between tokens; nothing unless said otherwise."""
        return State()

    def mask(self) -> Mask | None:
        """Which earlier tokens it looks at directly, where it does."""
        return None

    def rotary(self) -> tuple[Rope, int] | None:
        """Its rotary positions and the head width they turn in, where it has them."""
        return None

    def rotaries(self) -> dict[str, tuple[Rope, int]]:
        """Every rotation in it with the width it turns in; its own is called by no name."""
        own = self.rotary()
        return {"": own} if own else {}

    def reads_positions(self) -> bool:
        """Whether it counts positions itself, beside any rotation."""
        return False

    def reads_depth(self) -> bool:
        """Whether its numbers follow from its layer's index, counted from 0 in its stack."""
        return False

    def slopes(self) -> Slopes | None:
        """What each head of its state forgets, where the same of every token."""
        return None

    def too_deep(self, index: int) -> tuple[str, str] | None:
        """The field by which it cannot stand in layer `index`, and why; None where it can."""
        return None

    def gives(self) -> str | None:
        """The name of what later layers may take from it, where there is such a thing."""
        return None

    def takes(self) -> str | None:
        """The name of what it takes from the last earlier layer that gives it."""
        return None

    def common(self) -> tuple[Parameter, ...]:
        """Tables that all layers of its stack share, under their names there."""
        return ()

    def norms_itself(self) -> bool:
        """Whether it reads x as it is, so that no norm of the block stands before it."""
        return False

    def packs(self) -> bool:
        """Whether texts that lie side by side in one row can be kept apart in it.

        So it is where nothing passes between tokens.
        """
        return self.mask() is None and self.state() == State()

    def is_causal(self) -> bool:
        """Whether a token's output depends on itself and earlier tokens only."""
        mask = self.mask()
        return mask is None or mask.causal
