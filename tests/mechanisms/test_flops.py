"""FLOPs are those that torch counts, operator by operator.

An operator of a graph and the module that computes it have one name, so that each has a row of its
own. What mixes tokens is left out: torch counts the masked half of attention's scores and all
that a chunked recurrence multiplies, we count pairs that are seen and the recurrence itself.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from conftest import ROOT, Builder, Case
from torch.utils.flop_counter import FlopCounterMode

from archspec.architecture.graph import Operator, OperatorGraph

TOKENS = 37
MIXING = ("attention", "recurrence")


def counted(case: Case) -> dict[str, int]:
    """FLOPs of each module in a call, by its name from the model on."""
    torch.manual_seed(0)
    model, experts = case.package.Model().eval(), {}
    if (case.folder / "grouped.py").exists():
        namespace = importlib.import_module(f"{case.folder.name}.operators").NAMESPACE
        operator = getattr(torch.ops, namespace).grouped_linear
        experts[operator] = lambda x, weight, _, **kw: 2 * x[0] * weight[1] * weight[2]
    ids = torch.randint(case.architecture.vocab_size, (1, TOKENS))
    with FlopCounterMode(display=False, custom_mapping=experts) as counter, torch.no_grad():
        model(**case.inputs(ids))
    return {name: sum(by.values()) for name, by in counter.get_flop_counts().items()}


@dataclass(frozen=True)
class Rows:
    """The operators of a module in a layer beside the modules of the same names."""

    found: dict[str, int]
    where: str
    tokens: int
    source: int

    def of(self, graph: OperatorGraph) -> Iterator[tuple[str, int, int]]:
        """A name, what the graph says, and what torch counted."""
        for operator in graph.operators:
            said = self.said(operator)
            if said or f"{self.where}.{operator.name}" in self.found:
                yield operator.name, said, self.there(operator)

    def said(self, operator: Operator) -> int:
        """What an operator multiplies for its tokens; nothing for what mixes them."""
        if operator.kind == "recurrence":
            return 0
        own = operator.per_token * self.tokens + operator.per_source * self.source
        inside = operator.inside.operators if operator.inside else ()
        return own + sum(self.said(inner) for inner in inside)

    def there(self, operator: Operator) -> int:
        """What its module has counted, or else the modules that its tensors are of."""
        name = f"{self.where}.{operator.name}"
        if operator.kind == "recurrence":
            return 0
        if name in self.found:
            return self.found[name]
        modules = {p.name.rpartition(".")[0] for p in operator.parameters} - {""}
        there = sum(self.found.get(f"{self.where}.{module}", 0) for module in modules)
        said = self.said(operator)
        # Weights inside of attention are no module's in the form that multiplies queries by them.
        absorbed = operator.kind == "attention" and not there and self.own >= said
        return said if absorbed else there

    @property
    def own(self) -> int:
        """What is multiplied in the module itself, outside of those in it."""
        depth = self.where.count(".") + 1
        inner = (n for n in self.found if n.startswith(f"{self.where}.") and n.count(".") == depth)
        return self.found.get(self.where, 0) - sum(self.found[name] for name in inner)


def mixes(graph: OperatorGraph) -> bool:
    """Whether something in it is counted by what is seen, or as it is defined."""
    return any(
        o.kind in MIXING or o.per_key or (o.inside is not None and mixes(o.inside))
        for o in graph.operators
    )


def test_each_operator_multiplies_what_torch_counts_of_its_module(case: Case) -> None:
    architecture, found = case.architecture, counted(case)
    source = case.source_length
    stacks = [("Model", architecture.layers, TOKENS)]
    if architecture.encoder:
        stacks.append(("Model.encoder", architecture.encoder.layers, source))
    rest = found["Global"]
    for stack, layers, tokens in stacks:
        for layer in layers:
            place = f"{stack}.layers.{layer.index}"
            rest -= found.get(place, 0)
            for module in layer.block.graph(architecture.hidden_size).operators:
                if module.inside is None:
                    continue
                where = f"{place}.{module.name}"
                rows = Rows(found, where, tokens, source)
                for name, said, there in rows.of(module.inside):
                    assert said == there, f"{layer.block.name}: {where}.{name}"
                if not mixes(module.inside):
                    assert module.inside.flops(0, tokens) == found.get(where, 0), where
    ends = [architecture.embedding_graph, architecture.head_graph, *architecture.encoder_graphs]
    ends += [architecture.layer_vectors_graph] if architecture.layer_vectors_graph else []
    assert rest == sum(graph.flops(0, TOKENS) for graph in ends)


def test_a_product_of_blocks_has_a_row_of_its_own(builder: Builder) -> None:
    """The gates of a recurrence, which torch multiplies as a batch of matrices."""
    case = Case(ROOT / "archspec/mechanisms/mixers/rg_lru/example.yaml", builder)
    found = counted(case)
    assert found["Model.layers.0.rg_lru.input_gate"] == 2 * TOKENS * 4 * 12 * 12
