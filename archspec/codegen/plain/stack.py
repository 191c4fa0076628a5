"""The layers of a plain file in order: how they are made, and the way through them."""

from __future__ import annotations

import keyword
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from archspec.architecture.block import Block
from archspec.architecture.stack import Stack
from archspec.codegen.plain.embedding import PlainEmbedding
from archspec.codegen.plain.facts import number
from archspec.codegen.plain.layers import PlainLayer
from archspec.codegen.plain.norms import Norms
from archspec.codegen.stacks import python_schedule

Lines = Iterator[str]

SAFE = frozenset(
    {"self", "super", "layer", "kind", "index", "nn", "torch", "F", "partial", "range", "enumerate"}
)
"""What the names of blocks may not stand for where layers are made."""


@dataclass(frozen=True)
class PlainStack:
    """The layers of a stack, in order."""

    own: Stack
    layers: Mapping[Block, PlainLayer]
    embedding: PlainEmbedding
    norms: Norms

    @property
    def arguments(self) -> tuple[str, ...]:
        """What each layer is called with after x."""
        return next(iter(self.layers.values())).arguments

    @property
    def made(self) -> Lines:
        """The statements that make them."""
        for table in self.own.common:
            rows = ", ".join(number(size) for size in table.shape)
            yield f"self.{table.name.partition('.')[0]} = nn.Embedding({rows})  # for all layers"
        kinds = list(dict.fromkeys(self.layers[block] for block in self.own.blocks))
        depth = any(layer.reads_depth for layer in kinds)
        if len(kinds) == 1:
            yield from self._of_one_class(kinds[0], depth)
            return
        yield from self._of_several()

    def _of_one_class(self, layer: PlainLayer, depth: bool) -> Lines:
        index = "index" if depth else ""
        if not layer.facts:
            name = index or "_"
            count = len(self.own.layers)
            yield f"self.layers = nn.ModuleList({layer.name}({index}) for {name} in range({count}))"
            return
        if len(layer.facts) == 1:
            (fact,) = layer.facts
            values = {b.name: number(layer.given(b)[0]) for b in self.own.blocks}
            made, of = f"{layer.name}({_joined(index, fact.name)})", fact.name
        else:
            values = {b.name: variable(b.name) for b in self.own.blocks}
            given = [f"({', '.join(number(n) for n in layer.given(b))})" for b in self.own.blocks]
            yield f"# {', '.join(fact.name for fact in layer.facts)}"
            if len(given) > 2:
                yield from (
                    f"{values[b.name]} = {own}"
                    for b, own in zip(self.own.blocks, given, strict=True)
                )
            else:
                yield f"{', '.join(values.values())} = {', '.join(given)}"
            made, of = f"{layer.name}({_joined(index, '*kind')})", "kind"
        schedule = python_schedule(self.own.schedule, values)
        yield f"self.layers = nn.ModuleList({made} for {_over(of, schedule, depth)})"

    def _of_several(self) -> Lines:
        names = {b.name: self.layers[b].name for b in self.own.blocks}
        for block in self.own.blocks:
            layer = self.layers[block]
            if layer.facts:
                names[block.name] = variable(block.name)
                own = zip(layer.facts, layer.given(block), strict=True)
                given = ", ".join(f"{fact.name}={number(value)}" for fact, value in own)
                yield f"{names[block.name]} = partial({layer.name}, {given})"
        deep = list(
            dict.fromkeys(names[b.name] for b in self.own.blocks if self.layers[b].reads_depth)
        )
        schedule = python_schedule(self.own.schedule, names)
        made = "layer()"
        if len(deep) == len({*names.values()}):
            made = "layer(index=index)"
        elif deep:
            test = f"layer in ({', '.join(deep)},)"
            if all(names[b.name] == self.layers[b].name for b in self.own.blocks):
                own = deep[0] if len(deep) == 1 else f"({', '.join(deep)})"
                test = f"issubclass(layer, {own})"
            made = f"layer(index=index) if {test} else layer()"
        yield f"self.layers = nn.ModuleList({made} for {_over('layer', schedule, bool(deep))})"

    def loop(self, cached: bool, extra: Mapping[str, str]) -> Lines:
        """The statements through all layers, which are called with names or what `extra` says."""
        names = [extra.get(name, name) for name in self.arguments if name != "past"]
        indexed = cached or any("[:, :, index]" in name for name in names)
        yield (
            "for index, layer in enumerate(self.layers):"
            if indexed
            else "for layer in self.layers:"
        )
        given = [extra.get(name, name) for name in self.arguments]
        given = ["cache.layers[index]" if name == "past" else name for name in given]
        target = "x, cache.layers[index]" if cached else "x"
        yield f"    {target} = layer({', '.join(['x', *given])})"


def _over(name: str, schedule: str, depth: bool) -> str:
    return f"index, {name} in enumerate({schedule})" if depth else f"{name} in {schedule}"


def _joined(*parts: str) -> str:
    return ", ".join(part for part in parts if part)


def variable(name: str) -> str:
    """The name of a block as a variable."""
    return f"{name}_" if keyword.iskeyword(name) or name in SAFE else name
