"""Softmax attention as operators: the inset of the figure, and what is counted."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from archspec.architecture.graph import (
    INPUT,
    GraphBuilder,
    Operator,
    OperatorGraph,
    Parameter,
    linear,
)
from archspec.architecture.operators import norm_operator
from archspec.mechanisms.common.selection.graph import add_selection
from archspec.mechanisms.mixers.attention.fields import LearnedTemperature

if TYPE_CHECKING:
    from archspec.mechanisms.mixers.attention.fields import Gate
    from archspec.mechanisms.mixers.attention.spec import Attention


def attention_graph(a: Attention, hidden_size: int) -> OperatorGraph:
    """Project, clip, norm, rotate, attend, gate, project back."""
    query, key = (a.heads, a.head_dim), (a.key_heads, a.head_dim)
    out = (a.heads, a.value_width)
    build = GraphBuilder(hidden_size)
    q = build.add(linear("q_proj", "Linear q", hidden_size, query, a.qkv_bias), INPUT)
    if a.shared_kv:
        q = _alone(build, a, q)
        k = v = build.add(Operator("shared", "shared", "Shared k, v", key, detail="earlier layer"))
    else:
        read = INPUT
        if a.source == "encoder":
            states = Operator("source", "shared", "Encoder's states", (hidden_size,))
            read = build.add(states)
        q, k, v = _together(build, a, hidden_size, q, read)
    if a.temperature:
        q = build.add(Operator("temperature", "scale", "Temperature", query, _learned(a)), q)
    sources = [(q, "q"), (k, "k"), (v, "v")]
    if a.sinks:
        sink = Operator("sinks", "sink", "Sinks", (a.heads,), (Parameter("sinks", (a.heads,)),))
        sources.append((build.add(sink), "sink"))
    if a.relative_bias:
        sources.append((build.add(_relative_bias(a)), "bias"))
    if a.select:
        sources.append((add_selection(build, a.select, hidden_size), "chosen"))
    details = [a.mask().caption()]
    details += ["ALiBi"] if a.alibi else []
    details += [f"soft cap {a.softcap:g}"] if a.softcap else []
    attend = Operator(
        "attend",
        "attention",
        "Scaled dot-product attention",
        out,
        per_key=2 * (a.heads // a.mask().heads) * (a.head_dim + a.value_width),
        mask=a.mask(),
        detail=", ".join(details),
    )
    last = build.add(attend, *sources)
    if a.gate:
        last = gated(build, a.gate, hidden_size, out, last)
    width = a.heads * a.value_width
    return build.done(
        build.add(linear("o_proj", "Linear o", width, (hidden_size,), a.output_bias), last)
    )


def _alone(build: GraphBuilder, a: Attention, q: str) -> str:
    """The stages of a query whose keys come from elsewhere."""
    shape = (a.heads, a.head_dim)
    stages = [("norm", bool(a.qk_norm)), ("rope", bool(a.rope))]
    if a.clip_qkv is not None:
        q = build.add(Operator("q_clip", "clamp", "Clip", shape, detail=f"± {a.clip_qkv:g}"), q)
    for stage, there in reversed(stages) if a.qk_norm and a.qk_norm.after_rope else stages:
        if there:
            q = build.add(_norm(a, "q") if stage == "norm" else _rope(a, "q"), q)
    return q


def _together(
    build: GraphBuilder, a: Attention, hidden_size: int, q: str, read: str
) -> tuple[str, str, str]:
    """The stages of query, key and value side by side; the last two come from `read`."""
    key, value = (a.key_heads, a.head_dim), (a.key_heads, a.value_width)
    linear_k = linear("k_proj", "Linear k", hidden_size, key, a.qkv_bias and a.key_bias)
    linear_v = linear("v_proj", "Linear v", hidden_size, value, a.qkv_bias)
    if read != INPUT:
        linear_k, linear_v = _once(linear_k), _once(linear_v)
    k = v = build.add(linear_k, read)
    if not a.keys_as_values:
        v = build.add(linear_v, read)
    if a.clip_qkv is not None:
        limit = f"± {a.clip_qkv:g}"
        q = build.add(Operator("q_clip", "clamp", "Clip", (a.heads, a.head_dim), detail=limit), q)
        same = k == v
        k = build.add(Operator("k_clip", "clamp", "Clip", key, detail=limit), k)
        v = k if same else build.add(Operator("v_clip", "clamp", "Clip", value, detail=limit), v)
    if a.v_norm:
        v = build.add(norm_operator("v_norm", a.v_norm, a.value_width, value), v)
    stages = [(_norm, bool(a.qk_norm)), (_rope, bool(a.rope))]
    for make, there in reversed(stages) if a.qk_norm and a.qk_norm.after_rope else stages:
        if there:
            q, k = build.add(make(a, "q"), q), build.add(make(a, "k"), k)
    return q, k, v


def _learned(a: Attention) -> tuple[Parameter, ...]:
    """What a temperature that is learned has for each head."""
    if not isinstance(a.temperature, LearnedTemperature):
        return ()
    names = ("temperature_scale", "temperature_bias")
    return tuple(Parameter(name, (a.heads,), keeps=True) for name in names)


def _once(operator: Operator) -> Operator:
    """Computed for the encoder's text, with the first tokens that are read."""
    return replace(operator, per_token=0, per_source=operator.per_token)


def _relative_bias(a: Attention) -> Operator:
    assert a.relative_bias
    own = a.relative_bias
    shape = (own.rows(a.causal), a.heads)
    weights = () if own.shared else (Parameter("relative_bias.weight", shape),)
    count = f"{own.buckets} buckets" if own.buckets else "each distance"
    detail = f"{count} to {own.max_distance:,}" + (", one table for all" if own.shared else "")
    return Operator("relative_bias", "bias", "Relative bias", shape, weights, detail=detail)


def _norm(a: Attention, name: str) -> Operator:
    assert a.qk_norm
    heads = a.heads if name == "q" else a.key_heads
    shape = (heads, a.head_dim)
    if a.qk_norm.scope == "width":
        return norm_operator(f"{name}_norm", a.qk_norm, heads * a.head_dim, shape)
    each = heads if a.qk_norm.scope == "each_head" else None
    return norm_operator(f"{name}_norm", a.qk_norm, a.head_dim, shape, each)


def _rope(a: Attention, name: str) -> Operator:
    assert a.rope
    shape = (a.heads if name == "q" else a.key_heads, a.head_dim)
    return Operator(f"{name}_rope", "rope", "RoPE", shape, detail=f"base {a.rope.theta:,.0f}")


def gated(
    build: GraphBuilder, gate: Gate, hidden_size: int, out: tuple[int, int], last: str
) -> str:
    """`last`, of shape `out` in heads and their width, times the gate."""
    shape = out if gate.per == "element" else out[:1]
    g = build.add(linear("gate_proj", "Linear gate", hidden_size, shape, gate.bias), INPUT)
    label = {"sigmoid": "σ", "softplus": "Softplus"}[gate.activation]
    g = build.add(Operator("gate", "activation", label, shape), g)
    return build.add(Operator("gated", "multiply", "×", out), last, g)
