"""Latent attention as operators: the inset of the figure, and what is counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from archspec.architecture.graph import INPUT, GraphBuilder, Operator, OperatorGraph, linear
from archspec.architecture.operators import norm_operator
from archspec.mechanisms.common.selection.graph import add_selection
from archspec.mechanisms.mixers.attention.graph import gated

if TYPE_CHECKING:
    from archspec.mechanisms.mixers.mla.spec import LatentAttention


def latent_graph(a: LatentAttention, hidden_size: int) -> OperatorGraph:
    """Project to latents, norm, rotate, expand to heads, attend, gate, project back."""
    build = GraphBuilder(hidden_size)
    source, q = _query(build, a, hidden_size)
    latent, shared = _latent(build, a, hidden_size)
    # Over chosen tokens attention works on the latents themselves.
    made = (latent, "latent") if a.select else (_expanded(build, a, latent), "k, v")
    sources = [(q, "q"), made]
    sources += [(shared, "k rope")] if a.rope_dim else []
    if a.select:
        chosen = add_selection(build, a.select, hidden_size, source, a.query_rank)
        sources.append((chosen, "chosen"))
    last = build.add(_attend(a), *sources)
    if a.gate:
        last = gated(build, a.gate, hidden_size, (a.heads, a.value_head_dim), last)
    width = a.heads * a.value_head_dim
    return build.done(
        build.add(linear("o_proj", "Linear o", width, (hidden_size,), a.output_bias), last)
    )


def _query(build: GraphBuilder, a: LatentAttention, hidden_size: int) -> tuple[str, str]:
    """What queries are made from, and the queries."""
    shape, source = (a.heads, a.head_dim), INPUT
    if a.query_rank is None:
        q = build.add(linear("q_proj", "Linear q", hidden_size, shape), INPUT)
    else:
        rank = a.query_rank
        down = linear("q_a_proj", "Linear q latent", hidden_size, (rank,), a.latent_bias)
        q = build.add(down, INPUT)
        if a.latent_norm:
            q = build.add(norm_operator("q_a_layernorm", a.latent_norm, rank), q)
        source = q
        q = build.add(linear("q_b_proj", "Linear q", rank, shape), q)
    return source, build.add(_rope(a, "q", a.heads), q) if a.rope else q


def _latent(build: GraphBuilder, a: LatentAttention, hidden_size: int) -> tuple[str, str]:
    """The latent of a token, and the part of its key that all heads share."""
    both = linear(
        "kv_a_proj_with_mqa", "Linear k, v latent", hidden_size, (a.kept_dim,), a.latent_bias
    )
    latent = shared = build.add(both, INPUT)
    if a.latent_norm:
        norm = norm_operator("kv_a_layernorm", a.latent_norm, a.kv_rank)
        latent = build.add(norm, (latent, "latent" if a.rope_dim else ""))
    if a.rope:
        shared = build.add(_rope(a, "k", 1), (shared, "rope part"))
    return latent, shared


def _expansion(a: LatentAttention) -> Operator:
    shape = (a.heads, a.nope_dim + a.value_head_dim)
    return linear("kv_b_proj", "Linear k, v", a.kv_rank, shape)


def _expanded(build: GraphBuilder, a: LatentAttention, latent: str) -> str:
    return build.add(_expansion(a), latent)


def _attend(a: LatentAttention) -> Operator:
    latents = 2 * a.heads * (a.kept_dim + a.kv_rank)
    if a.select:
        expansion = _expansion(a)
        return Operator(
            "attend",
            "attention",
            "Attention over latents",
            (a.heads, a.value_head_dim),
            expansion.parameters,
            per_token=expansion.per_token,
            per_key=latents,
            mask=a.mask(),
            detail=a.mask().caption(),
        )
    return Operator(
        "attend",
        "attention",
        "Scaled dot-product attention",
        (a.heads, a.value_head_dim),
        per_key=2 * a.heads * (a.head_dim + a.value_head_dim),
        # On the latents themselves, with the expansion applied to queries and results.
        per_key_later=latents,
        mask=a.mask(),
        detail=a.mask().caption(),
    )


def _rope(a: LatentAttention, name: str, heads: int) -> Operator:
    assert a.rope
    detail = f"base {a.rope.theta:,.0f}, {a.rope_dim} dimensions"
    return Operator(f"{name}_rope", "rope", "RoPE", (heads, a.rope_dim), detail=detail)
