"""A whole model written out in float64: what stands around the definitions of its mechanisms.

It works on texts of one length without padding, whole, and keeps nothing between calls. As every
definition it imports torch, and nothing of archspec imports it.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import torch
from torch import Tensor

from archspec.mechanisms.common.definitions.beside import Beside
from archspec.mechanisms.common.definitions.linear import linear, part
from archspec.mechanisms.common.definitions.norm import norm

Weights = dict[str, Tensor]
Seen = Callable[[str, Tensor], None]


def logits(
    architecture: Any,
    weights: Weights,
    ids: Tensor,
    source: Tensor | None = None,
    prefix: int = 0,
    seen: Seen | None = None,
) -> Tensor:
    """What the model gives for token ids (B, T): logits (B, T, V), or without a head states.

    Args:
        architecture: An `Architecture`, of which fields alone are read.
        weights: All tensors of the built model in float64, by name.
        ids: (B, T), whole texts.
        source: What an encoder reads, token ids (B, S), or the states (B, S, C) that it would give.
        prefix: How many tokens of each text see each other both ways.
        seen: Called with the name of every mechanism's module and what it gives, (B, T, C).
    """
    if source is not None and not source.is_floating_point():
        source = states(architecture.encoder, weights, source, None, 0, seen, "encoder.")
    x = states(architecture, weights, ids, source, prefix, seen)
    return headed(architecture, weights, x)


def states(
    stack: Any,
    weights: Weights,
    ids: Tensor,
    source: Tensor | None = None,
    prefix: int = 0,
    seen: Seen | None = None,
    under: str = "",
) -> Tensor:
    """Of a stack of layers whose tensors' names begin with `under`: (B, T) → (B, T, C), normed."""
    own = part(weights, under)
    x = embedded(stack.embedding, own, weights["embed_tokens.weight"], ids)
    vectors = layer_vectors(stack.embedding.per_layer, own, ids, x, len(stack.layers))
    beside = Beside(prefix=prefix, source=source, tables=own)
    for layer in stack.layers:
        beside.layer = layer.index
        beside.vector = None if vectors is None else vectors[:, :, layer.index]
        name = f"layers.{layer.index}."
        x = through(layer.block, part(own, name), x, beside, seen, under + name)
    return x if stack.final_norm is None else norm(stack.final_norm, own, "norm", x)


def through(
    block: Any, weights: Weights, x: Tensor, beside: Beside, seen: Seen | None, under: str
) -> Tensor:
    """A layer: for each update x ← after(x + inside(Σ branch(before(x)))), then all is scaled.

    A branch is scale · o · inside(body(i · before(x))).
    """

    def normed(named: Any, y: Tensor) -> Tensor:
        return y if named is None else norm(named.norm, weights, named.name, y)

    def scaled(scale: Any, y: Tensor) -> Tensor:
        if scale is None:
            return y
        return y * (scale.value if scale.name is None else weights[scale.name])

    for update in block.updates:
        read, total = normed(update.before, x), x * 0
        for branch in update.branches:
            body = branch.body
            y = normed(branch.before, read)
            y = y if body.input_scale is None else body.input_scale * y
            y = definition_of(body)(body, part(weights, f"{branch.name}."), y, beside)
            if seen is not None:
                seen(under + branch.name, y)
            y = normed(branch.inside, y)
            y = y if body.output_scale is None else body.output_scale * y
            total = total + scaled(branch.scale, y)
        x = normed(update.after, x + normed(update.inside, total))
    return scaled(block.scale, x)


def definition_of(mechanism: Any) -> Callable[[Any, Weights, Tensor, Beside], Tensor]:
    """The definition that lies beside the fields of a mechanism."""
    folder = type(mechanism).__module__.rpartition(".")[0]
    return import_module(f"{folder}.definition").definition


def embedded(fields: Any, weights: Weights, table: Tensor, ids: Tensor) -> Tensor:
    """The first hidden state: token vectors, widened, and what is added to them, normed."""
    x = table[ids]
    if fields.scale is not None:
        x = fields.scale * x
    if fields.width is not None:
        x = linear(weights, "embed_in", x)
    positions = fields.positions
    if positions is not None and positions.type == "learned":
        first = positions.offset
        x = x + weights["embed_positions.weight"][first : first + ids.shape[1]]
    elif positions is not None:
        x = x + sinusoids(positions, ids.shape[1], x.shape[2])
    if fields.token_types is not None:
        x = x + weights["embed_token_types.weight"][0]
    return x if fields.norm is None else norm(fields.norm, weights, "embed_norm", x)


def sinusoids(fields: Any, tokens: int, width: int) -> Tensor:
    """Of pair i sine and cosine of position · base^(−i / n), (T, C); arXiv 1706.03762, 3.5."""
    out = torch.zeros(tokens, width, dtype=torch.float64)
    pairs = width // 2
    for i in range(pairs):
        speed = fields.base ** (-i / (pairs - 1 if fields.ends else pairs))
        sine, cosine = (i, i + pairs) if fields.layout == "halves" else (2 * i, 2 * i + 1)
        angle = (torch.arange(tokens, dtype=torch.float64) + fields.offset) * speed
        out[:, sine], out[:, cosine] = torch.sin(angle), torch.cos(angle)
    return out


def layer_vectors(
    fields: Any, weights: Weights, ids: Tensor, x: Tensor, layers: int
) -> Tensor | None:
    """For every layer (norm(scale · W x) + scale · E[token]) · sum_scale: (B, T, L, P)."""
    if fields is None:
        return None
    shape = (*ids.shape, layers, fields.width)
    p = weights["embed_tokens_per_layer.weight"][ids].reshape(shape)
    p = p if fields.scale is None else fields.scale * p
    if fields.projected:
        y = fields.projection_scale * linear(weights, "per_layer_projection", x).reshape(shape)
        p = p + (y if fields.norm is None else norm(fields.norm, weights, "per_layer_norm", y))
    return p if fields.sum_scale is None else fields.sum_scale * p


def headed(architecture: Any, weights: Weights, x: Tensor) -> Tensor:
    """Logits of the states that a head reads, or the states where there is none."""
    head = architecture.head
    if head is None:
        return x
    if architecture.embedding.width is not None:
        x = linear(weights, "embed_out", x)
    y = x @ weights["embed_tokens.weight" if head.tied else "lm_head.weight"].T
    if head.bias:
        y = y + weights["lm_head_bias" if head.tied else "lm_head.bias"]
    if head.scale is not None:
        y = head.scale * y
    return y if head.softcap is None else head.softcap * torch.tanh(y / head.softcap)


def mtp_logits(architecture: Any, weights: Weights, ids: Tensor) -> list[Tensor]:
    """Logits of the tokens 2, 3 … places on (arXiv 2412.19437, section 2.2): (B, T − 1, V) …

    Module k reads W [N(h); N(e)] of what the one before gave and the vector of token k places on.
    """
    x, found = states(architecture, weights, ids), list[Tensor]()
    mtp, embedding = architecture.mtp, architecture.embedding
    for index in range(mtp.depth):
        own = part(weights, f"mtp.{index}.")
        token = weights["embed_tokens.weight"][ids[:, index + 1 :]]
        token = token if embedding.scale is None else embedding.scale * token
        hidden = norm(mtp.norm, own, "hidden_norm", x[:, :-1])
        token = norm(mtp.norm, own, "token_norm", token)
        x = linear(own, "proj", torch.cat((hidden, token), dim=-1))
        beside = Beside(layer=len(architecture.layers) + index, tables=weights)
        x = through(mtp.block, part(own, "layer."), x, beside, None, "")
        x = norm(mtp.norm, own, "norm", x)
        found.append(headed(architecture, weights, x))
    return found
