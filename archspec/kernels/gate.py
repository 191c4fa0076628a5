"""Gated activations inside a kernel: what stands between the linear layers, with its derivative."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from archspec.codegen.files import SharedFile
from archspec.codegen.tiles import BlockTiles, block_tiles
from archspec.mechanisms.common.activation import InnerView


@dataclass(frozen=True)
class Curve:
    """An activation of `g` in float32: statements both passes need, its value and its slope."""

    first: tuple[str, ...]
    value: str
    slope: str


CURVES = {
    "gelu": Curve(
        ("s = 0.5 + 0.5 * tl.erf(g * 0.7071067811865476)  # how much of a Gaussian is below g",),
        "g * s",
        "s + g * tl.exp(-0.5 * g * g) * 0.3989422804014327",
    ),
    "gelu_tanh": Curve(
        ("s = tl.sigmoid(1.5957691216057308 * (g + 0.044715 * g * g * g))  # (1 + tanh) / 2",),
        "g * s",
        "s + g * s * (1.0 - s) * 1.5957691216057308 * (1.0 + 0.134145 * g * g)",
    ),
    "identity": Curve((), "g", "1.0"),
    "mish": Curve(
        (
            "z = tl.exp(-tl.abs(g))  # never above 1",
            "n = tl.where(g > 0, 1.0 + 2.0 * z, z * z + 2.0 * z)",
            "t = n / (n + 2.0 * tl.where(g > 0, z * z, 1.0))  # tanh(softplus(g))",
        ),
        "g * t",
        "t + g * (1.0 - t * t) * tl.sigmoid(g)",
    ),
    "quick_gelu": Curve(
        ("s = tl.sigmoid(1.702 * g)",), "g * s", "s * (1.0 + 1.702 * g * (1.0 - s))"
    ),
    "relu": Curve((), "tl.where(g < 0, 0.0, g)", "tl.where(g > 0, 1.0, 0.0)"),
    "relu2": Curve(("r = tl.where(g < 0, 0.0, g)",), "r * r", "2.0 * r"),
    "sigmoid": Curve(("s = tl.sigmoid(g)",), "s", "s * (1.0 - s)"),
    "silu": Curve(("s = tl.sigmoid(g)",), "g * s", "s * (1.0 + g * (1.0 - s))"),
    "softplus": Curve(
        (), "tl.where(g > 0, g, 0.0) + tl.log(1.0 + tl.exp(-tl.abs(g)))", "tl.sigmoid(g)"
    ),
    "tanh": Curve(("t = 2.0 * tl.sigmoid(2.0 * g) - 1.0",), "t", "1.0 - t * t"),
}
"""Those without parameters, in operations that every target and the interpreter have."""


@dataclass(frozen=True)
class Gate:
    """One place where a gate meets `up`, both `width` wide; `packed` side by side in a tensor."""

    inner: InnerView
    width: int
    packed: bool


@dataclass(frozen=True)
class GateFunction:
    """One function of gate and up: its kernels, and where they are used."""

    name: str
    caption: str
    forward: tuple[str, ...]
    """The statements between loading g and u and storing `a * u`."""

    backward: tuple[str, ...]
    """Those from loading d as well to storing both gradients."""

    apart: tuple[BlockTiles, ...]
    packed: tuple[BlockTiles, ...]

    @property
    def strides(self) -> list[tuple[str, str, BlockTiles]]:
        """What the name of a variant ends in, the numbers from row to row, and the tiles."""
        own = [(f"{t.width}", f"{t.width}", t) for t in self.apart]
        return own + [(f"packed_{t.width}", f"{2 * t.width}", t) for t in self.packed]


def gate(inner: InnerView, width: int, packed: bool = False) -> tuple[Gate, ...]:
    """The gate that kernels compute, where there is one."""
    in_kernels = inner.gated and inner.activation in CURVES
    return (Gate(inner, width, packed),) if in_kernels else ()


def gate_name(inner: InnerView) -> str:
    """The name of a function of gate and up: `gated_silu`, with the numbers that others lack."""
    numbers = {"clamp": inner.clamp, "after": inner.clamp_after, "plus": inner.offset or None}
    parts = [f"{label}_{value!r}" for label, value in numbers.items() if value is not None]
    text = "_".join(["gated", inner.activation, *parts]).replace("-", "minus_")
    return text.replace(".0", "").replace(".", "_").replace("+", "")


def gate_functions(gates: Iterable[Gate]) -> list[GateFunction]:
    """The distinct functions among `gates`, in order."""
    places: dict[str, list[Gate]] = {}
    for one in gates:
        places.setdefault(gate_name(one.inner), []).append(one)
    return [_function(name, alike) for name, alike in places.items()]


def shared(views: list[Any]) -> dict[str, Any]:
    """What the modules and the kernels of these feed-forwards see, dense or of experts."""
    gates = [gate for view in views for gate in view.gates]
    return {
        "learned": next((v.inner.learned for v in views if v.inner.learned), None),
        "gate_functions": gate_functions(gates),
        "gate_tiles": [block_tiles(width) for width in sorted({gate.width for gate in gates})],
    }


GATE_KERNELS = SharedFile(
    "kernels/gate.py",
    "templates/kernels/gate/gate.py.jinja",
    "gated activations as Triton kernels",
    needed="gates",
    ahead="templates/kernels/gate/ahead.jinja",
    context=shared,
)


def _forward(inner: InnerView) -> tuple[str, ...]:
    curve = CURVES[inner.activation]
    return (
        *_before(inner),
        *curve.first,
        f"a = {curve.value}",
        *_after(inner),
        "tl.store(y + row * WIDTH + column, a * u, mask=inside)",
    )


def _backward(inner: InnerView) -> tuple[str, ...]:
    """A clamp stops the gradient of what it cuts, so its condition stands before it."""
    curve, clamp, after = CURVES[inner.activation], inner.clamp, inner.clamp_after
    to_gate = "d" if clamp is None and after is None else "to_gate"
    limits = [limit for limit in (clamp, after) if limit is not None]
    to_up = "to_up" if limits else "d"
    return (
        *([f"to_up = tl.where(tl.abs(u) <= {min(limits)!r}, d, 0.0)"] if limits else []),
        *([f"to_gate = tl.where(g <= {clamp!r}, d, 0.0)"] if clamp is not None else []),
        *_before(inner),
        *curve.first,
        f"a = {curve.value}",
        *(
            [f"to_gate = tl.where(a <= {after!r}, {'d' if clamp is None else to_gate}, 0.0)"]
            if after is not None
            else []
        ),
        *_after(inner),
        f"tl.store(grad_gate + at, {to_gate} * u * ({curve.slope}), mask=inside)",
        f"tl.store(grad_up + at, {to_up} * a, mask=inside)",
    )


def _before(inner: InnerView) -> list[str]:
    limit = inner.clamp
    return [] if limit is None else [f"g = tl.where(g > {limit!r}, {limit!r}, g)", _both(limit)]


def _after(inner: InnerView) -> list[str]:
    limit = inner.clamp_after
    out = [] if limit is None else [f"a = tl.where(a > {limit!r}, {limit!r}, a)", _both(limit)]
    return [*out, *([f"u += {inner.offset!r}"] if inner.offset else [])]


def _both(limit: float) -> str:
    return f"u = tl.where(u > {limit!r}, {limit!r}, tl.where(u < -{limit!r}, -{limit!r}, u))"


def _function(name: str, places: list[Gate]) -> GateFunction:
    def tiles(packed: bool) -> tuple[BlockTiles, ...]:
        widths = {place.width for place in places if place.packed is packed}
        return tuple(block_tiles(width) for width in sorted(widths))

    inner = places[0].inner
    clamped = ", clamped" if inner.clamp is not None or inner.clamp_after is not None else ""
    return GateFunction(
        name,
        f"{inner.activation}(gate) · {inner.up}{clamped}",
        _forward(inner),
        _backward(inner),
        tiles(packed=False),
        tiles(packed=True),
    )
