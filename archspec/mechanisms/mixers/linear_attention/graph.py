"""Linear attention as operators: the inset of the figure, and what is counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from archspec.architecture.graph import INPUT, GraphBuilder, Operator, OperatorGraph, linear
from archspec.architecture.operators import norm_operator
from archspec.mechanisms.common.output_gate import LABELS
from archspec.spec.activation import CAPTIONS

if TYPE_CHECKING:
    from archspec.mechanisms.mixers.linear_attention.spec import LinearAttention


def linear_attention_graph(a: LinearAttention, hidden_size: int) -> OperatorGraph:
    """Project, norm, rotate, write and read the state, norm, gate, project back."""
    build = GraphBuilder(hidden_size)
    out = (a.heads, a.value_width)
    sources = [(_projected(build, a, name, hidden_size), name) for name in "qkv"]
    sources += _decay(build, a, hidden_size)
    last = build.add(
        Operator(
            "read",
            "recurrence",
            "Write and read the state",
            out,
            per_token=4 * a.heads * a.key_head_dim * a.value_width,
            detail=f"{a.heads} × {a.key_head_dim} × {a.value_width}, {_fading(a)}",
        ),
        *sources,
    )
    if a.output_norm:
        parts = a.output_norm.parts(a.heads) or (a.heads if a.output_norm.scope == "head" else 1)
        width = a.output_width // parts
        each = a.output_norm.parts(a.heads) if a.output_norm.weight else None
        last = build.add(norm_operator("o_norm", a.output_norm, width, out, each), last)
    if a.gate:
        gate, inputs, name = INPUT, hidden_size, "gate_proj"
        if a.gate.rank:
            gate = build.add(linear("gate_down", "Linear", hidden_size, (a.gate.rank,)), gate)
            inputs, name = a.gate.rank, "gate_up"
        gate = build.add(linear(name, "Linear gate", inputs, out, a.gate.bias), gate)
        gate = build.add(Operator("gate", "activation", LABELS[a.gate.activation], out), gate)
        last = build.add(Operator("gated", "multiply", "×", out), last, gate)
    back = linear("o_proj", "Linear o", a.output_width, (hidden_size,), a.output_bias)
    return build.done(build.add(back, last))


def _projected(build: GraphBuilder, a: LinearAttention, name: str, hidden_size: int) -> str:
    """The stages of a query, a key or a value before the state."""
    shape = (a.heads, a.value_width if name == "v" else a.key_head_dim)
    map_in = linear(f"{name}_proj", f"Linear {name}", hidden_size, shape, a.qkv_bias)
    last = build.add(map_in, INPUT)
    if a.activation:
        label = CAPTIONS[a.activation]
        last = build.add(Operator(f"{name}_activation", "activation", label, shape), last)
    if name == "v":
        return last
    stages: list[Operator] = []
    if a.qk_norm:
        each = a.heads if a.qk_norm.scope == "each_head" and a.qk_norm.weight else None
        width = a.heads * a.key_head_dim if a.qk_norm.scope == "width" else a.key_head_dim
        stages.append(norm_operator(f"{name}_norm", a.qk_norm, width, shape, each))
    if a.rope:
        detail = f"base {a.rope.theta:,.0f}"
        stages.append(Operator(f"{name}_rope", "rope", "RoPE", shape, detail=detail))
    for stage in reversed(stages) if a.qk_norm and a.qk_norm.after_rope else stages:
        last = build.add(stage, last)
    return last


def _decay(build: GraphBuilder, a: LinearAttention, hidden_size: int) -> list[tuple[str, str]]:
    """What a learned decay follows from."""
    if not a.decay or a.decay.type != "learned":
        return []
    d, inputs, last = a.decay, hidden_size, INPUT
    shape = (a.heads,) if d.per == "head" else (a.heads, a.key_head_dim)
    if d.rank:
        last = build.add(linear("decay_down", "Linear", hidden_size, (d.rank,)), INPUT)
        inputs = d.rank
    name = "decay_up" if d.rank else "decay_proj"
    last = build.add(linear(name, "Linear decay", inputs, shape, d.bias), last)
    label = "log σ" if d.divisor == 1 else f"log σ / {d.divisor:g}"
    return [(build.add(Operator("decay", "activation", label, shape), last), "decay")]


def _fading(a: LinearAttention) -> str:
    if not a.decay:
        return "no decay"
    if a.decay.type == "learned":
        return f"decay by {a.decay.per}"
    return "decays slower with depth" if a.reads_depth() else "a fixed decay for each head"
