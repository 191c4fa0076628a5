"""The figure in words, for readers who do not see it."""

from __future__ import annotations

from archspec.architecture import Architecture
from archspec.draw.facts import facts, keeps, rotates


def describe(architecture: Architecture) -> str:
    """What the figure shows: the numbers, the order of the layers, each kind of block."""
    parts = [f"The architecture of {architecture.title}."]
    for fact in facts(architecture):
        note = f" ({fact.note})" if fact.note else ""
        parts.append(f"{fact.name}: {fact.value}{note}.")
    embedding = _chain(architecture.embedding_graph.operators)
    parts.append(f"From tokens: {embedding}.")
    parts.append(f"Layers: {architecture.schedule}.")
    for block in architecture.blocks:
        graph = block.graph(architecture.hidden_size)
        parts.append(f"Block {block.name}: {_chain(graph.operators)}.")
        for branch in block.branches:
            body = branch.body
            sentences = (body.caption(architecture.hidden_size), rotates(body), keeps(body))
            parts += [sentence for sentence in sentences if sentence]
    output = _chain(architecture.head_graph.operators)
    parts.append(f"Output: {output or 'the last hidden states'}.")
    return " ".join(parts)


def _chain(operators: tuple[object, ...]) -> str:
    from archspec.graph import Operator

    labels = [
        o.label for o in operators if isinstance(o, Operator) and o.kind not in ("input", "output")
    ]
    return ", ".join(labels)
