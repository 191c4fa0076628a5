"""Mamba as operators: the inset of the figure, and what is counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from archspec.architecture.graph import (
    INPUT,
    GraphBuilder,
    Operator,
    OperatorGraph,
    Parameter,
    linear,
)
from archspec.architecture.operators import convolution, norm_operator

if TYPE_CHECKING:
    from archspec.mechanisms.mixers.mamba.spec import Mamba

STATE_FLOPS = 5
"""For each number of the state: decay it, write to it (a multiply-add), read it (another)."""


def mamba_graph(m: Mamba, hidden_size: int) -> OperatorGraph:
    """Project, convolve, make Δ, B and C, recur, skip, gate, project back."""
    inner, vector, size = (m.inner_dim,), (m.state_dim,), m.inner_dim
    build = GraphBuilder(hidden_size)
    first = build.add(linear("in_proj", "Linear in", hidden_size, (2 * size,), m.input_bias), INPUT)
    u = build.add(convolution("conv1d", m.conv, inner, m.conv_bias), (first, "u"))
    u = build.add(Operator("conv_activation", "activation", "SiLU", inner), u)
    parts = (m.dt_rank + 2 * m.state_dim,)
    selected = build.add(linear("x_proj", "Linear Δ, B, C", size, parts), u)
    dt, b, c = (selected, "Δ"), (selected, "B"), (selected, "C")
    if m.inner_norm:
        rank = (m.dt_rank,)
        dt = build.add(norm_operator("dt_norm", m.inner_norm, m.dt_rank, rank), dt)
        b = (build.add(norm_operator("b_norm", m.inner_norm, m.state_dim, vector), b), "B")
        c = (build.add(norm_operator("c_norm", m.inner_norm, m.state_dim, vector), c), "C")
    dt = build.add(linear("dt_proj", "Linear Δ", m.dt_rank, inner, bias=True), dt)
    dt = build.add(Operator("dt_activation", "activation", "Softplus", inner), dt)
    recurrence = Operator(
        "recurrence",
        "recurrence",
        "State-space recurrence",
        inner,
        (Parameter("A_log", (size, m.state_dim), keeps=True),),
        per_token=STATE_FLOPS * size * m.state_dim,
        detail=f"{size:,} states of {m.state_dim}",
    )
    last = build.add(recurrence, u, (dt, "Δ"), b, c)
    if m.skip:
        skip = build.add(Operator("skip", "scale", "× D", inner, (Parameter("D", inner),)), u)
        last = build.add(Operator("skip_sum", "add", "+", inner), last, skip)
    gate = build.add(Operator("gate", "activation", "SiLU", inner), (first, "z"))
    last = build.add(Operator("gated", "multiply", "×", inner), last, gate)
    return build.done(
        build.add(linear("out_proj", "Linear out", size, (hidden_size,), m.output_bias), last)
    )
