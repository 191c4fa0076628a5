"""The dense feed-forward in a plain file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from archspec.codegen.environment import activated
from archspec.codegen.plain.facts import Facts, Number, number
from archspec.codegen.plain.site import OUTSIDE, PlainClass, PlainSite, linear
from archspec.mechanisms.common.activation import Inner
from archspec.mechanisms.feedforward.dense.spec import DenseFeedForward
from archspec.spec.activation import CAPTIONS


def varies(m: DenseFeedForward, shared: Mapping[str, str]) -> Mapping[str, Number]:
    """The width inside."""
    return {"intermediate_size": m.intermediate_size}


def alike(m: DenseFeedForward, shared: Mapping[str, str]) -> object:
    """All but that."""
    return m.model_copy(update={**OUTSIDE, "intermediate_size": 1})


def differs(m: Inner) -> Iterator[str]:
    """The activation, and whether there is a gate."""
    if (m.activation, m.gated) != ("silu", True):
        name = CAPTIONS[m.activation]
        yield f"the gate is {name}" if m.gated else f"the feed-forward has {name} and no gate"


def plain(m: DenseFeedForward, facts: Facts, site: PlainSite) -> PlainClass:
    """The class of all that are like `m`."""
    wide = facts["intermediate_size"].made
    names = ["gate_proj", "up_proj"] if m.gated else ["up_proj"]
    made = [linear(name, site.width, wide, m.bias) for name in names]
    made += ["self.activation = XIELU()"] if m.activation == "xielu" else []
    made += [linear("down_proj", wide, site.width, m.bias)]
    caption = m.caption(site.hidden_size)
    if facts["intermediate_size"].varies:
        caption = caption.partition(":")[0] + "."
    return PlainClass(site.class_name, caption, facts, tuple(made), tuple(lines(m)))


def lines(m: DenseFeedForward) -> list[str]:
    """The statements of its forward pass."""
    if not m.gated:
        h = (
            "self.up_proj(x)"
            if m.clamp is None
            else f"self.up_proj(x).clamp(-{m.clamp!r}, {m.clamp!r})"
        )
        return [f"h = {h}", f"return self.down_proj({inner(m)})"]
    gate = "self.gate_proj(x)"
    gate = gate if m.gate_scale is None else f"{number(m.gate_scale)} * {gate}"
    return [f"gate, up = {gate}, self.up_proj(x)", *limits(m), f"return self.down_proj({inner(m)})"]


def limits(m: Inner) -> Iterator[str]:
    """The statements that clamp `gate` and `up`, or `h`, before the activation."""
    c, after = m.clamp, m.clamp_after
    if c is not None and m.gated:
        yield f"gate, up = gate.clamp(max={c!r}), up.clamp(-{c!r}, {c!r})"
    elif c is not None:
        yield f"h = h.clamp(-{c!r}, {c!r})"
    if after is not None and m.gated:
        yield f"up = up.clamp(-{after!r}, {after!r})"


def inner(m: Inner) -> str:
    """The expression for what the last linear layer reads, of `gate` and `up`, or of `h`."""
    act = activated("gate" if m.gated else "h", m.activation)
    if m.clamp_after is not None:
        act = f"{act}.clamp(max={m.clamp_after!r})"
    if not m.gated:
        return act
    return f"{act} * {f'(up + {m.up_offset!r})' if m.up_offset else 'up'}"
