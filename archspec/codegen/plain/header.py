"""The words of a plain file: what differs from a plain decoder, and the legend of shapes."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from archspec.architecture.block import Block, Update
from archspec.architecture.model import Architecture
from archspec.codegen.plain.embedding import scaled
from archspec.codegen.plain.model import PlainModel
from archspec.codegen.plain.site import plain_module
from archspec.spec.norm import Norm

WIDTH = 98


def docstring(a: Architecture) -> list[str]:
    """The lines of the file's docstring."""
    count = sum(p.size for p in a.parameters())
    layers = f"{len(a.layers)} layers, {a.schedule}"
    if a.encoder and a.encoder.layers:
        layers = f"{len(a.encoder.layers)} layers that read, {len(a.layers)} that write"
    first = f"{a.name} in one file of PyTorch: {layers}; {count:,} parameters."
    if len(first) > WIDTH - 3:
        first = (
            f"{a.name} in one file of PyTorch: {len(a.all_layers)} layers; {count:,} parameters."
        )
    lines = textwrap.wrap(f"xxx{first}", WIDTH)
    lines[0] = lines[0][3:]  # the quotes take room
    found = [*_differences(a)]
    if found:
        kind = "decoder" if a.is_causal else "transformer"
        text = f"Unlike a plain {kind}: {'; '.join(found)}."
        lines += ["", *textwrap.wrap(text, WIDTH, break_on_hyphens=False)]
    return [*lines, "", *textwrap.wrap(_shapes(a), WIDTH)]


def _shapes(a: Architecture) -> str:
    tokens = "T new tokens" if a.is_causal else "T tokens"
    found = [f"B sequences, {tokens}, S keys, C = {a.hidden_size:,}"]
    heads = {getattr(body, "heads", None) for body in a.mechanisms} - {None}
    if len(heads) == 1:
        found.append(f"H = {heads.pop()} heads of D numbers")
    elif heads:
        found.append("H heads of D numbers")
    if any(getattr(body, "kv_heads", None) for body in a.mechanisms):
        found.append("K key-value heads")
    return f"Shapes: {', '.join(found)}."


def forward_doc(model: PlainModel) -> list[str]:
    """The lines of the docstring of the model's forward pass."""
    a, vocabulary = model.a, f"{model.a.vocab_size}"
    if a.head is None:
        gives = f"Hidden states (B, T, {a.hidden_size})."
    else:
        gives = f"Logits (B, T, {vocabulary})"
        gives += ", or the mean loss where there are labels (-100: none)." if model.trains else "."
    mask = f"`{model.mask}` (B, T) is 0 for padding, anywhere"
    cache = "; `cache` goes on from what it holds" if a.is_causal else ""
    lines = [gives, "", *textwrap.wrap(f"{mask}{cache}.", 90)]
    if model.kind == "pair":
        shape = f"(B, S, {a.hidden_size})" if model.given else "(B, S)"
        lines.append(f"`{model.source}` {shape} is the source, None once a cache has read it, and")
        lines.append("`attention_mask` (B, S) is 0 for its padding.")
    if model.prefixes:
        lines.append("The first `prefix_length` tokens of each text see each other both ways.")
    return lines


def _differences(a: Architecture) -> Iterator[str]:
    """Of the layers, as their mechanisms say it, then of norms and of what stands around layers."""
    layers = a.all_layers
    said: dict[str, int] = {}
    for layer in layers:
        bodies = dict.fromkeys(branch.body for branch in layer.block.branches)
        for phrase in dict.fromkeys(
            p for body in bodies for p in plain_module(type(body)).differs(body)
        ):
            said[phrase] = said.get(phrase, 0) + 1
    for phrase, count in said.items():
        if count == len(layers):
            yield phrase.removeprefix("in {layers} ").format(layers="all layers")
        else:
            yield phrase.format(layers=f"{count} of {len(layers)} layers")
    ropes = {rope.theta for body in a.mechanisms if (own := body.rotary()) for rope in own[:1]}
    if len(ropes) > 1:
        yield "rotary bases differ"
    if a.embedding.positions:
        kind = a.embedding.positions.type
        yield f"positions are {kind} and added to token vectors"
    yield from _norms(a)
    yield from _ends(a)


def _norms(a: Architecture) -> Iterator[str]:
    updates = [update for block in a.blocks for update in block.updates]
    places = dict.fromkeys(_place(update) for update in updates if _place(update))
    yield from (place for place in places if place)
    norms = [norm for block in a.blocks for norm in _named(block)]
    if any(norm.type == "layernorm" for norm in norms):
        yield "norms are LayerNorm" + ("" if any(n.bias for n in norms) else " without biases")
    if any(norm.zero_centered for norm in norms):
        yield "norms scale by 1 + w"
    if any(len(update.branches) > 1 for update in updates):
        yield "branches stand side by side"


def _place(update: Update) -> str | None:
    before = update.before or any(branch.before for branch in update.branches)
    inside = update.inside or any(branch.inside for branch in update.branches)
    if update.after:
        return "norms stand behind the sums"
    if before and inside:
        return "a norm stands before and after each branch"
    return "norms stand after each branch, none before" if inside else None


def _named(block: Block) -> Iterator[Norm]:
    for update in block.updates:
        for named in (update.before, update.inside, update.after):
            if named:
                yield named.norm
        for branch in update.branches:
            yield from (named.norm for named in branch.norms)


def _ends(a: Architecture) -> Iterator[str]:
    if a.embedding.scale is not None:
        yield f"token vectors are multiplied by {scaled(a.embedding.scale, a.hidden_size)[3:]}"
    if a.head and a.head.tied:
        yield "the embedding is the output layer too"
    if a.head and a.head.softcap is not None:
        yield f"logits are capped at {a.head.softcap:g}"
    if a.head and a.head.scale is not None:
        yield f"logits are multiplied by {a.head.scale:.6g}"
    if a.mtp:
        tokens = "token is" if a.mtp.depth == 1 else "tokens are"
        yield f"{a.mtp.depth} more {tokens} predicted"
