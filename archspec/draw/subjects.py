"""What the insets show: each distinct mechanism, and the graphs beside the layers."""

from __future__ import annotations

from dataclasses import replace

from archspec.architecture.graph import INPUT, Edge, Operator, OperatorGraph
from archspec.architecture.model import Architecture
from archspec.draw import facts, shapes
from archspec.draw.feeds import VECTOR, feeds
from archspec.draw.inset import Subject

VECTORS = "Vectors for each layer"
MTP = "MTP modules"


def subjects(architecture: Architecture) -> list[Subject]:
    """Mixers, other mechanisms, then what stands beside the layers."""
    found = _mechanisms(architecture)
    vectors, mtp = layer_vectors(architecture), mtp_module(architecture)
    return found + [subject for subject in (vectors, mtp) if subject]


def _mechanisms(architecture: Architecture) -> list[Subject]:
    found: list[Subject] = []
    for mechanism in architecture.mechanisms:
        kinds = [
            kind
            for kind, block in enumerate(architecture.blocks)
            if any(branch.body == mechanism for branch in block.branches)
        ]
        graph = mechanism.graph(architecture.hidden_size)
        weight = facts.weighs(graph)
        found.append(Subject(mechanism.title(), graph, (weight,), kinds, mechanism))
    return sorted(found, key=lambda s: s.mechanism is not None and s.mechanism.mask() is None)


def layer_vectors(architecture: Architecture) -> Subject | None:
    """From the token and the first hidden state to a vector for each layer, where there are."""
    graph, own = architecture.layer_vectors_graph, architecture.embedding.per_layer
    if graph is None or own is None:
        return None
    layers = f"{len(architecture.layers):,}"
    said = f"{layers} vectors of width {own.width:,} for each token, one for each layer."
    kinds = [
        kind
        for kind, block in enumerate(architecture.blocks)
        if any(VECTOR in feeds(b.body.graph(architecture.hidden_size)) for b in block.branches)
    ]
    return Subject(VECTORS, _by_token(graph), (said, facts.weighs(graph, "in all")), kinds)


def mtp_module(architecture: Architecture) -> Subject | None:
    """One module that predicts a token beyond the next, where there are any."""
    mtp = architecture.mtp
    if mtp is None:
        return None
    graph, kind = mtp.graph(architecture.hidden_size), architecture.blocks.index(mtp.block)
    drawn = facts.count(architecture, mtp.block) > 0
    count = f"in each of {mtp.depth:,} modules" if mtp.depth > 1 else "in the module"
    chain = " Each reads what the one before gives." if mtp.depth > 1 else ""
    said = (
        f"Their tokens weigh {mtp.loss_weight:g} in the loss.{chain}",
        facts.weighs(graph, count),
    )
    shown = replace(graph, operators=tuple(_closed(o, drawn) for o in graph.operators))
    return Subject(mtp_title(mtp.depth), shown, said, (kind,))


def mtp_title(tokens: int) -> str:
    """`MTP modules 1 … 2`, or the one."""
    return f"{MTP} 1 … {tokens:,}" if tokens > 1 else "MTP module"


def _closed(operator: Operator, whole: bool) -> Operator:
    """A layer drawn elsewhere as one box, and one drawn only here with its mechanisms closed."""
    if operator.inside is None:
        return operator
    if whole:
        detail = "a layer of this kind"
        dark = shapes.looks_across(operator)
        return replace(operator, kind="attention" if dark else "module", inside=None, detail=detail)
    layer = operator.inside
    inner = tuple(
        replace(o, kind="attention" if shapes.looks_across(o) else "module", inside=None)
        if o.inside
        else o
        for o in layer.operators
    )
    return replace(operator, inside=replace(layer, operators=inner))


def _by_token(graph: OperatorGraph) -> OperatorGraph:
    """The table is read by token: its input is the token's id, not the hidden state."""
    tables = {o.name for o in graph.operators if o.kind == "embedding"}
    others = [e for e in graph.edges if e.source == INPUT and e.target not in tables]
    if not others:
        first = Operator(INPUT, "input", "token ids")
        return replace(graph, operators=(first, *graph.operators[1:]))
    token = Operator("token", "shared", "Token ids")
    edges = tuple(
        Edge("token", e.target, e.label) if e.source == INPUT and e.target in tables else e
        for e in graph.edges
    )
    return OperatorGraph((graph.operators[0], token, *graph.operators[1:]), edges)
