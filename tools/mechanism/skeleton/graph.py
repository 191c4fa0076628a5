"""The leaky integrator as operators: the inset of the figure, and what is counted."""

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

if TYPE_CHECKING:
    from archspec.mechanisms.mixers.leaky_integrator.spec import LeakyIntegrator

STATE_FLOPS = 2
"""For each channel: keep a part of its number and add to it, a multiply-add."""


def leaky_integrator_graph(m: LeakyIntegrator, hidden_size: int) -> OperatorGraph:
    """Project, recur, project back."""
    inner = (m.inner_dim,)
    build = GraphBuilder(hidden_size)
    u = build.add(linear("in_proj", "Linear in", hidden_size, inner, m.bias), INPUT)
    recurrence = Operator(
        "recurrence",
        "recurrence",
        "Running mean",
        inner,
        (Parameter("pace", inner, keeps=True),),
        per_token=STATE_FLOPS * m.inner_dim,
    )
    h = build.add(recurrence, u)
    last = linear("out_proj", "Linear out", m.inner_dim, (hidden_size,), m.bias)
    return build.done(build.add(last, h))
