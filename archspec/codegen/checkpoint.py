"""How published tensors are loaded: which parts checkpoint.py needs for the rules of one model."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from archspec.spec.checkpoint import Checkpoint, TensorRule

FOLDER = "templates/package/checkpoint/{}.py.jinja"


@dataclass(frozen=True)
class RuleView:
    """One published name, ours, and how the layouts differ: `, transpose=True`."""

    published: str
    ours: tuple[str, ...]
    options: str


@dataclass(frozen=True)
class CheckpointView:
    """What the templates of checkpoint.py see."""

    checkpoint: Checkpoint
    tied: bool
    """The head has the token embedding's weight, which is published a second time."""

    @property
    def prefix(self) -> str | None:
        """What stands before most published names."""
        return self.checkpoint.prefix

    @property
    def ignore(self) -> tuple[str, ...]:
        """Published names that are left out."""
        return self.checkpoint.ignore

    @cached_property
    def rules(self) -> list[RuleView]:
        """The rules, in the order in which they are tried."""
        return [
            RuleView(published, rule.to, _options(rule))
            for published, rule in self.checkpoint.tensors.items()
        ]

    @property
    def name(self) -> str:
        """The expression for a published name without what stands before most of them."""
        return "published.removeprefix(PREFIX)" if self.prefix else "published"

    @property
    def items(self) -> bool:
        """Some tensors are published one by one and stacked here."""
        return any("{item}" in published for published in self.checkpoint.tensors)

    @property
    def halves(self) -> bool:
        """Some tensors are published as two, here one above the other."""
        return any(rule.part for rule in self._rules)

    @property
    def reshaped(self) -> bool:
        """Some tensors are published in another shape."""
        return any(rule.reshape for rule in self._rules)

    @property
    def transposed(self) -> bool:
        """Some matrices are published the other way round."""
        return any(rule.transpose for rule in self._rules)

    @property
    def interleaved(self) -> bool:
        """The rows of two halves alternate in some tensors."""
        return any(rule.interleaved for rule in self._rules)

    @property
    def shared(self) -> bool:
        """Some published tensors hold several of ours."""
        return any(len(rule.to) > 1 for rule in self._rules)

    @property
    def grouped(self) -> bool:
        """Some of these hold them group by group."""
        return any(rule.groups > 1 for rule in self._rules)

    @property
    def axis(self) -> str:
        """The expression for the axis that a rule works along."""
        return "rule.axis" if any(rule.axis for rule in self._rules) else "0"

    @property
    def next_axis(self) -> str:
        """The expression for the one after it."""
        return "rule.axis + 1" if self.axis == "rule.axis" else "1"

    @property
    def order(self) -> str:
        """What is done to a published tensor, in order."""
        steps = [
            ("reshape", self.reshaped),
            ("transpose", self.transposed),
            ("interleaved", self.interleaved),
            ("split", self.shared),
        ]
        done = [name for name, there in steps if there]
        return f", in the order {' → '.join(done)}" if len(done) > 1 else ""

    @property
    def arranges(self) -> bool:
        """Some tensors are published in another layout."""
        return self.shared or self.reshaped or self.transposed or self.interleaved

    @property
    def pieces(self) -> bool:
        """Some tensors are published in pieces."""
        return self.items or self.halves

    @property
    def target(self) -> str:
        """The name of the tensor whose shape a published one is given."""
        return "wanted[0]" if self.shared else "wanted"

    @property
    def stored(self) -> str:
        """The expression for a tensor of the shape that the same numbers are published in."""
        if not self.transposed:
            return self.target
        return f"({self.target}.mT if rule.transpose else {self.target})"

    def arranged(self, tensor: str, target: str) -> str:
        """The expression for a published tensor in the layout of `target`."""
        return f"arrange(published, {tensor}, {target})" if self.arranges else tensor

    @property
    def entry(self) -> str:
        """What a pattern is kept with."""
        return "rule" if self._options else "ours"

    @property
    def ours(self) -> str:
        """The expression for our name in it."""
        return "rule.ours" if self._options else "ours"

    @property
    def split(self) -> str:
        """The template of how a tensor is cut for several of ours."""
        return FOLDER.format("split_groups" if self.grouped else "split")

    @property
    def tables(self) -> list[str]:
        """The templates of what stands before the functions."""
        names = ["prefix"] if self.prefix else []
        if self.rules or self.ignore:
            names.append("pattern_item" if self.items else "pattern")
        if self.rules:
            names.append("rules" if self._options else "names")
        names += ["ignored"] if self.ignore else []
        return [FOLDER.format(name) for name in names]

    @property
    def load(self) -> str:
        """The template of what `load_checkpoint` does."""
        return FOLDER.format(f"load{self._variant}")

    @property
    def functions(self) -> list[str]:
        """The templates of the functions that it calls."""
        names = [f"check{self._variant}"]
        if self._variant != "_as_is":
            several = "_many" if self.shared else ""
            names.append(f"place{several}")
            names += [f"arrange{several}"] if self.arranges else []
            names += ["region"] if self.pieces else []
        return [FOLDER.format(name) for name in names]

    @property
    def _variant(self) -> str:
        """Names as they are, or a published tensor for one of ours, or for several."""
        if self.shared:
            return "_many_pieces" if self.pieces else "_many"
        return "" if self.rules or self.prefix or self.ignore else "_as_is"

    @property
    def _options(self) -> bool:
        return self.shared or any(rule.options for rule in self.rules)

    @property
    def _rules(self) -> list[TensorRule]:
        return list(self.checkpoint.tensors.values())


def _options(rule: TensorRule) -> str:
    options = [
        ("reshape", rule.reshape, True),
        ("transpose", rule.transpose, True),
        ("interleaved", rule.interleaved, True),
        ("groups", rule.groups > 1, rule.groups),
        ("part", rule.part, rule.part),
        ("axis", rule.axis, rule.axis),
    ]
    return "".join(f", {name}={value!r}" for name, there, value in options if there)
