"""A selection of tokens as operators."""

from __future__ import annotations

from dataclasses import replace

from archspec.architecture.graph import INPUT, GraphBuilder, Operator, linear
from archspec.architecture.mask import Mask
from archspec.architecture.operators import norm_operator
from archspec.mechanisms.common.selection.fields import SharedSelection, TokenSelection


def add_selection(
    build: GraphBuilder,
    selection: TokenSelection | SharedSelection,
    hidden_size: int,
    source: str = INPUT,
    width: int | None = None,
) -> str:
    """The operator that gives the chosen positions.

    `source`, of `width` numbers, is what its queries are made from. Its weights only choose: the
    model's loss does not reach them.
    """
    chosen = (selection.top_k,)
    if isinstance(selection, SharedSelection):
        return build.add(
            Operator("select", "shared", "Shared choice", chosen, detail="earlier layer")
        )
    s = selection

    def add(operator: Operator, *sources: str) -> str:
        weights = tuple(replace(p, chooses=True) for p in operator.parameters)
        return build.add(replace(operator, parameters=weights), *sources)

    queries, keys = (s.heads, s.head_dim), (s.head_dim,)
    q = add(linear("indexer.wq_b", "Linear index q", width or hidden_size, queries), source)
    k = add(linear("indexer.wk", "Linear index k", hidden_size, keys), INPUT)
    if s.norm:
        k = add(norm_operator("indexer.k_norm", s.norm, s.head_dim), k)
    if s.rope:
        detail = f"base {s.rope.theta:,.0f}, {s.rope.width(s.head_dim)} dimensions"
        q = add(Operator("index_q_rope", "rope", "RoPE", queries, detail=detail), q)
        k = add(Operator("index_k_rope", "rope", "RoPE", keys, detail=detail), k)
    weights = add(linear("indexer.weights_proj", "Linear weights", hidden_size, (s.heads,)), INPUT)
    best = Operator(
        "select",
        "select",
        f"Best {s.top_k:,} tokens",
        chosen,
        per_key=2 * s.heads * (s.head_dim + 1),
        mask=Mask(),
        detail="by Σ w · relu(q · k)",
    )
    return build.add(best, q, k, weights)
