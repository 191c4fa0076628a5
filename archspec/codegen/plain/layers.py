"""The blocks of a model → the layer classes of a plain file, one for all that differ in numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from archspec.architecture.block import Block, Branch, NamedNorm, Scale, Update
from archspec.codegen.names import camel, unused
from archspec.codegen.plain.classes import Written, common_words
from archspec.codegen.plain.facts import Fact, Number, number, parameters
from archspec.codegen.plain.norms import Norms
from archspec.codegen.plain.site import TYPES
from archspec.codegen.plain.words import doc
from archspec.mechanisms.base import Mechanism


@dataclass(frozen=True)
class PlainLayer:
    """One class of layer; all layers of its stack are called alike, with `arguments` after x."""

    name: str
    caption: str
    blocks: tuple[Block, ...]
    facts: tuple[Fact, ...]
    reads_depth: bool
    arguments: tuple[str, ...]
    made: tuple[str, ...]
    lines: tuple[str, ...]
    result: str
    gives: str | None
    """The type of what it keeps, given back beside x: `State`; None where layers keep nothing."""

    @property
    def doc(self) -> str:
        """Its docstring."""
        return doc(self.caption)

    @property
    def parameters(self) -> str:
        """What follows `self` in its constructor."""
        depth = ", index: int" if self.reads_depth else ""
        return depth + parameters(self.facts)

    @property
    def signature(self) -> str:
        """The parameters of its forward pass."""
        types = TYPES | (
            {"past": f"{self.gives} | None"} if self.gives not in (None, "None") else {}
        )
        types |= {"past": "None"} if self.gives == "None" else {}
        own = [f"{name}: {types[name]}" for name in self.arguments]
        return ", ".join(["self", "x: Tensor", *own])

    @property
    def returns(self) -> str:
        """The type of what it gives."""
        return "Tensor" if self.gives is None else f"tuple[Tensor, {self.gives}]"

    def given(self, block: Block) -> tuple[Number, ...]:
        """The arguments of its constructor for one of its blocks, but for the index."""
        return tuple(fact.values[self.blocks.index(block)] for fact in self.facts)


@dataclass
class Layers:
    """Makes the layer classes of one stack."""

    classes: Mapping[Mechanism, Written]
    norms: Norms
    hidden_size: int
    decodes: bool
    taken: set[str] = field(default_factory=set[str])

    def of(self, blocks: Sequence[Block], alone: bool) -> dict[Block, PlainLayer]:
        """The class of each of the `blocks` of a stack; `alone` where the model has no others."""
        groups: dict[object, list[Block]] = {}
        for block in blocks:
            groups.setdefault(self._structure(block), []).append(block)
        arguments = self._arguments(blocks)
        found: dict[Block, PlainLayer] = {}
        for group in groups.values():
            single = alone and len(groups) == 1
            words = common_words([block.name for block in group])
            name = "Layer" if single else f"{camel(words)}Layer"
            layer = self._layer(unused(name, self.taken), tuple(group), arguments)
            found |= dict.fromkeys(group, layer)
        return found

    def _arguments(self, blocks: Sequence[Block]) -> tuple[str, ...]:
        used = {
            name
            for block in blocks
            for branch in block.branches
            for name in self.classes[branch.body].own.arguments
        }
        used = used - {"past"} if not self.decodes else used
        return tuple(name for name in TYPES if name in used)

    def _structure(self, block: Block) -> object:
        """What blocks of one class have in common."""
        return block.scale, tuple(
            (
                update.before,
                update.inside,
                update.after,
                tuple(
                    (
                        branch.name,
                        self.classes[branch.body].own.name,
                        branch.before,
                        branch.inside,
                        branch.scale,
                        branch.body.input_scale,
                        branch.body.output_scale,
                    )
                    for branch in update.branches
                ),
            )
            for update in block.updates
        )

    def _layer(
        self, name: str, blocks: tuple[Block, ...], arguments: tuple[str, ...]
    ) -> PlainLayer:
        first = blocks[0]
        keepers = [b.name for b in first.branches if self.classes[b.body].own.keeps]
        facts, bodies = self._facts(blocks)
        made: list[str] = []
        lines: list[str] = []
        several = len(keepers) > 1 and self.decodes
        if several:
            names = ", ".join(f"{keeper}_past" for keeper in keepers)
            nothing = ", ".join(["None"] * len(keepers))
            lines.append(f"{names} = ({nothing}) if past is None else past")
        for update in first.updates:
            made += self._made(update, bodies)
            lines += self._lines(update, several)
        scales = [*(branch.scale for branch in first.branches), first.scale]
        made += [_stored(scale) for scale in scales if scale and scale.name]
        result = f"{_factor(first.scale)} * x" if first.scale else ""
        keeping = self.decodes and "past" in arguments
        if not result:  # the last sum is what it gives
            short = len(lines[-1]) < 80 or not keeping
            result = lines.pop().removeprefix("x = ") if short else "x"
        gives = None
        if keeping:
            kept = ", ".join(f"{keeper}_kept" for keeper in keepers)
            gives = "State" if keepers else "None"
            if several:
                gives = f"tuple[{', '.join(['State'] * len(keepers))}]"
            result += f", ({kept})" if several else ", kept" if keepers else ", None"
        depth = any(self.classes[b.body].own.reads_depth for b in first.branches)
        return PlainLayer(
            name,
            self._caption(first),
            blocks,
            facts,
            depth,
            arguments,
            tuple(made),
            tuple(lines),
            result,
            gives,
        )

    def _caption(self, block: Block) -> str:
        """What a layer does: `x + N(Attention(N(x))), then x + FeedForward(N(x)).`"""
        return ", then ".join(self._formula(update) for update in block.updates) + "."

    def _formula(self, update: Update) -> str:
        x = "N(x)" if update.before else "x"
        terms: list[str] = []
        for branch in update.branches:
            name = self.classes[branch.body].own.name
            term = f"{name}({'N(x)' if branch.before else x})"
            term = f"N({term})" if branch.inside else term
            terms.append(f"s · {term}" if branch.scale else term)
        total = " + ".join(terms)
        total = f"N({total})" if update.inside else total
        return f"N(x + {total})" if update.after else f"x + {total}"

    def _facts(self, blocks: tuple[Block, ...]) -> tuple[tuple[Fact, ...], dict[str, str]]:
        """The arguments of the class, and the arguments that it makes each of its bodies with."""
        facts: dict[str, Fact] = {}
        bodies: dict[str, str] = {}
        for place, branch in enumerate(blocks[0].branches):
            given: list[tuple[str, str, bool]] = []
            own = [
                self.classes[b.branches[place].body].arguments(b.branches[place].body)
                for b in blocks
            ]
            for name in own[0]:
                fact = Fact(name, tuple(values[name] for values in own))
                if not fact.varies:
                    given.append((name, number(fact.values[0]), False))
                    continue
                label = name if facts.get(name, fact) == fact else f"{branch.name}_{name}"
                facts[label] = Fact(label, fact.values)
                given.append((name, label, True))
            plain = all(varies and name == label for name, label, varies in given)
            said = [label if plain else f"{name}={label}" for name, label, _ in given]
            depth = ["index"] if self.classes[branch.body].own.reads_depth else []
            bodies[branch.name] = ", ".join([*depth, *said])
        return tuple(facts.values()), bodies

    def _made(self, update: Update, bodies: Mapping[str, str]) -> list[str]:
        found = [self._norm(update.before)]
        for branch in update.branches:
            name = self.classes[branch.body].own.name
            found += [self._norm(branch.before)]
            found += [f"self.{branch.name} = {name}({bodies[branch.name]})"]
            found += [self._norm(branch.inside)]
        found += [self._norm(update.inside), self._norm(update.after)]
        return [line for line in found if line]

    def _norm(self, named: NamedNorm | None) -> str:
        if named is None:
            return ""
        return f"self.{named.name} = {self.norms.made(named.norm, number(self.hidden_size))}"

    def _lines(self, update: Update, several: bool) -> list[str]:
        """The statements for the stream after an update."""
        lines = [f"y = self.{update.before.name}(x)"] if update.before else []
        x = "y" if update.before else "x"
        terms: list[str] = []
        for branch in update.branches:
            term, before = self._term(branch, x, several, len(update.branches) > 1)
            lines += before
            terms.append(term)
        total = " + ".join(terms)
        total = f"self.{update.inside.name}({total})" if update.inside else total
        total = f"self.{update.after.name}(x + {total})" if update.after else f"x + {total}"
        return [*lines, f"x = {total}"]

    def _term(self, branch: Branch, x: str, several: bool, beside: bool) -> tuple[str, list[str]]:
        """The expression for what a branch adds, and the statements before it."""
        body, own = branch.body, self.classes[branch.body].own
        value = f"self.{branch.before.name}({x})" if branch.before else x
        if body.input_scale is not None:
            value = f"{number(body.input_scale)} * {value}"
        keeps = own.keeps and self.decodes
        past = f"{branch.name}_past" if several else "past"
        names = [
            ("None" if not self.decodes else past) if name == "past" else name
            for name in own.arguments
        ]
        value = f"self.{branch.name}({', '.join([value, *names])})"
        before: list[str] = []
        if keeps:
            out = f"{branch.name}_out" if beside else "y"
            kept = f"{branch.name}_kept" if several else "kept"
            before, value = [f"{out}, {kept} = {value}"], out
        elif own.keeps:
            value = f"{value}[0]"
        value = f"self.{branch.inside.name}({value})" if branch.inside else value
        if body.output_scale is not None:
            value = f"{number(body.output_scale)} * {value}"
        return (f"{_factor(branch.scale)} * {value}" if branch.scale else value), before


def _factor(scale: Scale | None) -> str:
    if scale is None:
        return ""
    return f"self.{scale.name}" if scale.name else number(scale.value)


def _stored(scale: Scale) -> str:
    kind = "nn.Parameter" if scale.trained else "nn.Buffer"
    start = {0.0: f"torch.zeros({scale.channels})", 1.0: f"torch.ones({scale.channels})"}
    made = start.get(scale.value, f"torch.full(({scale.channels},), {scale.value!r})")
    return f"self.{scale.name} = {kind}({made})"
