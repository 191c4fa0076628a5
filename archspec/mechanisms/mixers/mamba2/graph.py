"""Mamba-2 as operators: the inset of the figure, and what is counted."""

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
from archspec.mechanisms.mixers.mamba2.fields import PartScales

if TYPE_CHECKING:
    from archspec.mechanisms.mixers.mamba2.spec import Mamba2

STATE_FLOPS = 5
"""For each number of the state: decay it, write to it (a multiply-add), read it (another)."""


def mamba2_graph(m: Mamba2, hidden_size: int) -> OperatorGraph:
    """Project, convolve, recur, skip, gate and norm, project back."""
    heads, inner, channels = (m.heads, m.head_dim), (m.inner,), (m.channels,)
    build = GraphBuilder(hidden_size)
    parts = (m.inner + m.channels + m.heads,)
    first = build.add(linear("in_proj", "Linear in", hidden_size, parts, m.input_bias), INPUT)
    scales = m.part_scales or PartScales()
    part = _scaled(build, "conv_scale", (first, "x, B, C"), channels, scales.convolved)
    mixed = build.add(convolution("conv1d", m.conv, channels, m.conv_bias), part)
    mixed = build.add(Operator("conv_activation", "activation", "SiLU", channels), mixed)
    step = build.add(_step(m), _scaled(build, "dt_scale", (first, "Δ"), (m.heads,), (scales.dt,)))
    recurrence = Operator(
        "recurrence",
        "recurrence",
        "State-space recurrence",
        heads,
        (Parameter("A_log", (m.heads,), keeps=True),),
        per_token=STATE_FLOPS * m.inner * m.state_dim,
        detail=f"{m.heads} states of {m.head_dim} × {m.state_dim}",
    )
    last = build.add(recurrence, (mixed, "x, B, C"), (step, "Δ"))
    if m.skip:
        weight = Operator("skip", "scale", "× D", heads, (Parameter("D", (m.heads,)),))
        skip = build.add(weight, (mixed, "x"))
        last = build.add(Operator("skip_sum", "add", "+", heads), last, skip)
    part = _scaled(build, "gate_scale", (first, "z"), inner, (scales.gate,))
    gate = build.add(Operator("gate", "activation", "SiLU", inner), part)
    product = Operator("gated", "multiply", "×", inner)
    if m.norm and m.norm.before_gate:
        last = build.add(norm_operator("norm", m.norm, m.inner, inner), last)
        last = build.add(product, last, gate)
    else:
        last = build.add(product, last, gate)
        if m.norm:
            last = build.add(norm_operator("norm", m.norm, m.inner, inner), last)
    return build.done(
        build.add(linear("out_proj", "Linear out", m.inner, (hidden_size,), m.output_bias), last)
    )


def _scaled(
    build: GraphBuilder,
    name: str,
    part: tuple[str, str],
    shape: tuple[int, ...],
    factors: tuple[float, ...],
) -> str | tuple[str, str]:
    """`part` of the projection times its factors: one, or those of the values in its label."""
    if set(factors) == {1.0}:
        return part
    if len(set(factors)) == 1:
        factors = factors[:1]
    label = "× " + ", ".join(f"{factor:.4g}" for factor in factors)
    return build.add(Operator(name, "scale", label, shape), part)


def _step(m: Mamba2) -> Operator:
    bounds = [f"≥ {m.dt_min:g}"] if m.dt_min else []
    bounds += [f"≤ {m.dt_max:g}"] if m.dt_max is not None else []
    bias = Parameter("dt_bias", (m.heads,), keeps=True)
    return Operator("dt", "activation", "Softplus", (m.heads,), (bias,), detail=", ".join(bounds))
