"""The gated short convolution as operators: the inset of the figure, and what is counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from archspec.architecture.graph import INPUT, GraphBuilder, Operator, OperatorGraph, linear
from archspec.architecture.operators import convolution

if TYPE_CHECKING:
    from archspec.mechanisms.mixers.short_conv.spec import ShortConvolution


def short_conv_graph(m: ShortConvolution, hidden_size: int) -> OperatorGraph:
    """One map to three parts, a product before the convolution and one after it, a map back."""
    width = (m.channels,)
    build = GraphBuilder(hidden_size)
    three = linear("in_proj", "Linear b, c, x", hidden_size, (3, m.channels), m.bias)
    parts = build.add(three, INPUT)
    gated = build.add(Operator("gate_in", "multiply", "×", width), (parts, "b, x"))
    mixed = build.add(convolution("conv", m.conv, width, m.bias), gated)
    last = build.add(Operator("gate_out", "multiply", "×", width), mixed, (parts, "c"))
    return build.done(
        build.add(linear("out_proj", "Linear y", m.channels, (hidden_size,), m.bias), last)
    )
