"""RG-LRU as operators: the inset of the figure, and what is counted."""

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
from archspec.architecture.operators import convolution
from archspec.spec.activation import CAPTIONS

if TYPE_CHECKING:
    from archspec.mechanisms.mixers.rg_lru.spec import RealGatedLRU

STATE_FLOPS = 2
"""For each channel: decay its number and add to it, a multiply-add."""


def rg_lru_graph(m: RealGatedLRU, hidden_size: int) -> OperatorGraph:
    """Project twice, convolve, make the two gates, recur, multiply, project back."""
    inner, size = (m.inner_dim,), m.inner_dim
    build = GraphBuilder(hidden_size)
    x = build.add(linear("linear_x", "Linear x", hidden_size, inner, m.input_bias), INPUT)
    u = build.add(convolution("conv_1d", m.conv, inner, m.conv_bias), x)
    gates: list[str] = []
    for name, label in (("input_gate", "i"), ("recurrent_gate", "r")):
        made = build.add(_blocks(m, name, f"Linear {label}"), u)
        activation = Operator(f"{name}_activation", "activation", "Sigmoid", inner)
        gates.append(build.add(activation, made))
    recurrence = Operator(
        "recurrence",
        "recurrence",
        "Linear recurrence",
        inner,
        (Parameter("recurrent_param", inner, keeps=True),),
        per_token=STATE_FLOPS * size,
        detail="a = e^(−8 r softplus Λ)",
    )
    last = build.add(recurrence, u, (gates[0], "i"), (gates[1], "r"))
    y = build.add(linear("linear_y", "Linear y", hidden_size, inner, m.input_bias), INPUT)
    y = build.add(Operator("activation", "activation", CAPTIONS[m.activation], inner), y)
    last = build.add(Operator("gated", "multiply", "×", inner), last, y)
    return build.done(
        build.add(linear("linear_out", "Linear out", size, (hidden_size,), m.output_bias), last)
    )


def _blocks(m: RealGatedLRU, name: str, label: str) -> Operator:
    """A linear map of each block of channels by itself."""
    weights = (
        Parameter(f"{name}.weight", (m.heads, m.block_dim, m.block_dim)),
        Parameter(f"{name}.bias", (m.heads, m.block_dim)),
    )
    detail = f"{m.heads} blocks of {m.block_dim}" if m.heads > 1 else ""
    flops = 2 * m.inner_dim * m.block_dim
    return Operator(name, "linear", label, (m.inner_dim,), weights, per_token=flops, detail=detail)
