"""How published tensors are loaded: which parts checkpoint.py needs for the rules of one model."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from archspec.codegen.rotary import RotaryView
from archspec.errors import ArchspecError
from archspec.mechanisms.base import Slopes
from archspec.spec.checkpoint import Checkpoint, TensorRule

HEADS = (("lm_head",), ("lm_head.weight",))
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

    rotaries: tuple[RotaryView, ...] = ()
    """The functions of positions that the model turns by."""

    fades: tuple[Slopes, ...] = ()
    """The slopes by which its states fade, each once."""

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
            if not self._is_head(rule)
        ]

    @cached_property
    def copies(self) -> list[tuple[str, str]]:
        """Published names of what is published twice, and ours."""
        tensors = self.checkpoint.tensors
        heads = {
            name: rule.to[0].replace("lm_head", "embed_tokens")
            for name, rule in tensors.items()
            if self._is_head(rule)
        }
        if self.tied:
            heads = {"lm_head.weight": "embed_tokens.weight"} | heads
        return [*(heads | self.checkpoint.copies).items()]

    @property
    def constants(self) -> list[tuple[str, str]]:
        """Published names of what the model works out, and what they must hold."""
        return [*self.checkpoint.constants.items()]

    @property
    def kinds(self) -> list[str]:
        """What any of these must hold."""
        return sorted({*self.checkpoint.constants.values()})

    @property
    def theta(self) -> float:
        """Of the frequencies that published ones are compared with."""
        return self._rotary.theta

    @property
    def width(self) -> int:
        """The dimensions that turn by them."""
        return self._rotary.width

    @property
    def slopes(self) -> Slopes | None:
        """The slopes that published ones are compared with; None where none are published."""
        if "slopes" not in self.kinds:
            return None
        if len(self.fades) != 1 or any("{layer}" not in name for name, _ in self._held("slopes")):
            raise ArchspecError(
                "checkpoint.constants: `slopes` are compared layer by layer, in a model whose"
                " layers have one rule for them\n  help: name the tensor under `ignore`"
            )
        return self.fades[0]

    def _held(self, kind: str) -> list[tuple[str, str]]:
        return [(name, held) for name, held in self.constants if held == kind]

    @property
    def _rotary(self) -> RotaryView:
        plain = [r for r in self.rotaries if r.scaling is None and r.turning == r.width]
        if len(plain) != 1 or len(self.rotaries) != 1:
            raise ArchspecError(
                "checkpoint.constants: `frequencies` are compared in a model with one `rope`, "
                "without `scaling`\n  help: name the tensor under `ignore`"
            )
        return plain[0]

    @property
    def name(self) -> str:
        """The expression for a published name without what stands before most of them."""
        return "published.removeprefix(PREFIX)" if self.prefix else "published"

    @property
    def stripped(self) -> str:
        """The same of what is called `name`."""
        return "name.removeprefix(PREFIX)" if self.prefix else "name"

    @property
    def prefixed(self) -> str:
        """The expression for `name` with what stands before most of them, for a tensor `ours`."""
        ours = "ours" if self.rules else "name"
        return f'name if {ours}.startswith("lm_head") else PREFIX + name' if self.prefix else "name"

    @property
    def named(self) -> str:
        """The expression for the names that a rule has for what was matched."""
        name = "spelled(rule.published, match)"
        return f"numbered({name}, own[ours])" if self.items else f"[{name}]"

    @property
    def written(self) -> str:
        """Which names `save_checkpoint` writes, after a colon."""
        if not self.renames:
            return "those of `state_dict`."
        return (
            "the names are those of the checkpoint that was\n"
            "    loaded, or of published files where none was, or where shapes have changed since."
        )

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
    def aliased(self) -> bool:
        """Some published names are read and never written."""
        return any(rule.alias for rule in self._rules)

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
    def pieces(self) -> bool:
        """Some tensors are published in pieces."""
        return self.items or self.halves

    @property
    def stored(self) -> str:
        """The expression for a tensor of the shape that the same numbers are published in."""
        return "(wanted[0].mT if rule.transpose else wanted[0])" if self.transposed else "wanted[0]"

    @property
    def item(self) -> str:
        """What follows a rule where a function needs to know which item of ours is meant."""
        return ", item" if self.items else ""

    @property
    def piece(self) -> str:
        """The expression for what a copy holds where a part fills the tensor that it copies."""
        item = ", part.item" if self.items else ""
        return f"region(copy.tensor, part.rule{item})" if self.pieces else "copy.tensor"

    @property
    def cuts(self) -> str:
        """The condition that a rule works along an axis; empty where none does."""
        ways = {
            "len(wanted) > 1": self.shared,
            "rule.interleaved": self.interleaved,
        }
        found = [way for way, there in ways.items() if there]
        return f"({' or '.join(found)})" if len(found) > 1 else "".join(found)

    @property
    def axis_shown(self) -> str:
        """That axis inside of a message."""
        return "{rule.axis}" if self.axis == "rule.axis" else "0"

    @property
    def split(self) -> str:
        """The template of how a tensor is cut for several of ours."""
        return FOLDER.format("split_groups" if self.grouped else "split")

    @property
    def tables(self) -> list[str]:
        """The templates of what stands before the functions."""
        names = ["prefix"] if self.prefix else []
        if self.rules or self.ignore or self.copies or self.constants:
            names.append("pattern_item" if self.items else "pattern")
        if self.rules:
            names.append("rules" if self.ruled else "names")
        names += ["ignored"] if self.ignore else []
        names += ["copies"] if self.copies else []
        names += ["constants"] if self.constants else []
        return [FOLDER.format(name) for name in names]

    @property
    def placer(self) -> str:
        """The function that says which published tensor goes where."""
        return "place" if self.renames else "as_they_are"

    @property
    def part(self) -> str:
        """The template of what a published tensor gives to one of ours."""
        return FOLDER.format("part_ruled" if self.ruled else "part")

    @property
    def value(self) -> str:
        """The expression for the numbers of a part in our layout."""
        return "part.value(own)" if self.ruled else "part.tensor"

    @property
    def back(self) -> str:
        """The template of what of ours a published tensor holds."""
        return FOLDER.format("back_ruled" if self.ruled else "back_named")

    @property
    def join(self) -> str:
        """The template of how several of ours become one: `split` undone."""
        return FOLDER.format("join_groups" if self.grouped else "join")

    @property
    def one(self) -> str:
        """The template of where one tensor goes."""
        return FOLDER.format("one_ruled" if self.ruled else "one_named")

    @property
    def functions(self) -> list[str]:
        """The templates of the functions that are called."""
        names = ["place"] if self.renames else []
        if self.rules or not self.renames:
            names.append("as_they_are")
        names += ["is_own"] if self.rules else []
        if self.ruled:
            names += ["find", "arrange"] + (["region"] if self.pieces else [])
        names += ["publish", "all_names"] if self.renames else []
        names += ["leading"] if self.ruled else []
        names += ["numbered"] if self.items else []
        if self.copies or (self.rules and not self.ruled):
            names.append("first")
        names += ["is_ignored"] if self.ignore else []
        names += ["compare"] if self.copies else []
        names += ["held", "holds"] if self.constants else []
        names += ["near"] if {"frequencies", "slopes"} & {*self.kinds} else []
        if self.renames:
            names.append("uneven_pieces" if self.pieces else "uneven")
        return [FOLDER.format(name) for name in names]

    @property
    def renames(self) -> bool:
        """Whether a published name may be another than ours."""
        kept = (self.rules, self.prefix, self.ignore, self.copies, self.constants)
        return any(kept)

    @property
    def ruled(self) -> bool:
        """Whether a rule may do more than rename."""
        return self.shared or any(rule.options for rule in self.rules) or self.items

    def _is_head(self, rule: TensorRule) -> bool:
        """Whether it names what is the token embedding again in this model."""
        return self.tied and not _options(rule) and rule.to in HEADS

    @property
    def _rules(self) -> list[TensorRule]:
        return list(self.checkpoint.tensors.values())


def _options(rule: TensorRule) -> str:
    options = [
        ("reshape", rule.reshape, rule.reshape),
        ("transpose", rule.transpose, True),
        ("interleaved", rule.interleaved, True),
        ("groups", rule.groups > 1, rule.groups),
        ("part", rule.part, rule.part),
        ("axis", rule.axis, rule.axis),
        ("alias", rule.alias, True),
    ]
    return "".join(f", {name}={value!r}" for name, there, value in options if there)
