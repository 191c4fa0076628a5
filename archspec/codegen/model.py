"""What the classes of a whole model are made of, in order."""

from __future__ import annotations

from collections.abc import Iterable

from archspec.architecture.graph import Parameter
from archspec.architecture.model import Architecture
from archspec.codegen.members import Member
from archspec.codegen.stacks import EmbeddingView, Vectors
from archspec.codegen.step import table_name


def stack_members(
    e: EmbeddingView, common: Iterable[Parameter], before: list[Member], made: str, norm: str | None
) -> list[Member]:
    """What turns tokens into the first hidden state, `before`, and the layers `made`."""
    found = list(e.members)
    for table in common:
        shape = ", ".join(map(str, table.shape))
        found.append(Member(table_name(table), f"nn.Embedding({shape})  # for all layers"))
    found += before
    found.append(Member("layers", f"nn.ModuleList({made})"))
    return found + ([Member("norm", norm)] if norm else [])


def vectors_members(vectors: Vectors, hidden_size: int) -> list[Member]:
    """The tables and maps behind a vector of each token for every layer."""
    table = f"nn.Embedding({vectors.own.vocab_size}, {vectors.numbers})"
    found = [Member("embed_tokens_per_layer", table)]
    if vectors.own.projected:
        made = f"nn.Linear({hidden_size}, {vectors.numbers}, bias=False)"
        found.append(Member("per_layer_projection", made))
    return found + ([Member("per_layer_norm", vectors.norm)] if vectors.norm else [])


def head_members(a: Architecture, width: int) -> list[Member]:
    """The head over states, of which a token has `width` numbers."""
    if a.head is None:
        return []
    found: list[Member] = []
    if width != a.hidden_size:
        found.append(Member("embed_out", f"nn.Linear({a.hidden_size}, {width}, bias=False)"))
    if not a.head.tied:
        made = f"nn.Linear({width}, {a.vocab_size}, bias={a.head.bias})"
        found.append(Member("lm_head", made))
    elif a.head.bias:
        found.append(Member("lm_head_bias", f"nn.Parameter(torch.empty({a.vocab_size}))"))
    return found
