"""The figure in words, for readers who do not see it."""

from __future__ import annotations

from archspec.architecture.model import Architecture
from archspec.draw.facts import facts, keeps, rotates
from archspec.draw.feeds import FEEDS, STATES, VECTOR, feeds
from archspec.draw.subjects import layer_vectors, mtp_module
from archspec.mechanisms.base import Mechanism


def describe(architecture: Architecture) -> str:
    """What the figure shows: the numbers, the order of the layers, each kind of block."""
    parts = [f"The architecture of {architecture.title}."]
    for fact in facts(architecture):
        note = f" ({fact.note})" if fact.note else ""
        parts.append(f"{fact.name}: {fact.value}{note}.")
    parts += _encoder(architecture)
    embedding = _chain(architecture.embedding_graph.operators)
    parts.append(f"From tokens: {embedding}.")
    if vectors := layer_vectors(architecture):
        chain = _chain(vectors.graph.operators)
        parts += [f"{vectors.title}, beside the stream: {chain}.", *vectors.sentences]
    parts.append(f"Layers: {architecture.schedule}.")
    for block in architecture.blocks:
        graph = block.graph(architecture.hidden_size)
        parts.append(f"Block {block.name}: {_chain(graph.operators)}.")
        for branch in block.branches:
            body = branch.body
            parts += _reads(body, architecture.hidden_size)
            sentences = (body.caption(architecture.hidden_size), rotates(body), keeps(body))
            parts += [sentence for sentence in sentences if sentence]
    output = _chain(architecture.head_graph.operators)
    parts.append(f"Output: {output or 'the last hidden states'}.")
    if architecture.mtp and (own := mtp_module(architecture)):
        graph = architecture.mtp.graph(architecture.hidden_size)
        said = _chain(graph.operators)
        parts += [f"{own.title}, from the last hidden state: {said}, then the output layer."]
        parts += own.sentences
    return " ".join(parts)


def _encoder(architecture: Architecture) -> list[str]:
    """What comes before the decoder: an encoder, or states that are given."""
    encoder = architecture.encoder
    if encoder is None:
        return []
    length = f"{encoder.context_length:,}"
    if not encoder.layers:
        return [f"The encoder's states are given to the model, at most {length} of them."]
    before, *behind = architecture.encoder_graphs
    chain = [label for graph in behind for label in [_chain(graph.operators)] if label]
    end = ", ".join([*chain, "the encoder's states"])
    return [
        f"Encoder of sources of up to {length} tokens, from tokens: {_chain(before.operators)}.",
        f"Encoder's layers: {encoder.schedule}.",
        f"Encoder's end: {end}.",
    ]


def _reads(body: Mechanism, hidden_size: int) -> list[str]:
    """What a mechanism reads beside the stream, of what the figure draws a line for."""
    read = feeds(body.graph(hidden_size))
    said = {
        STATES: "Its keys and values come from the encoder's states.",
        VECTOR: "It reads the token's vector for its layer.",
    }
    return [said[feed] for feed in FEEDS if feed in read]


def _chain(operators: tuple[object, ...]) -> str:
    from archspec.architecture.graph import Operator

    labels = [
        o.label for o in operators if isinstance(o, Operator) and o.kind not in ("input", "output")
    ]
    return ", ".join(labels)
