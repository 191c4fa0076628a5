"""Gated activations inside a kernel: what stands between the linear layers, with its derivative."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from archspec.codegen.environment import ACTIVATIONS, QUICK_GELU_SLOPE
from archspec.codegen.files import SharedFile
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
        ("s = tl.sigmoid(SLOPE * g)",), "g * s", "s * (1.0 + SLOPE * g * (1.0 - s))"
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


LABELS = {"clamp": "clamped", "clamp_after": "capped", "offset": "raised"}
"""What the name of a function says of the numbers that it takes, beside the slope."""

FORMULAS = {name: formula.format(x="gate") for name, formula in ACTIVATIONS.items()} | {
    "quick_gelu": "gate * torch.sigmoid(slope * gate)"
}
"""The activations of `gate` in PyTorch, with the slope as an argument."""


@dataclass(frozen=True)
class Gate:
    """One place where a gate meets `up`, both `width` wide; `packed` side by side in a tensor."""

    inner: InnerView
    width: int
    packed: bool

    @property
    def name(self) -> str:
        """Of the function that its class calls."""
        return f"{self.function}_packed" if self.packed else self.function

    @property
    def function(self) -> str:
        """What its kernels are called, packed or not."""
        return gate_name(self.inner)

    @property
    def given(self) -> str:
        """What the class gives it after gate and up: `, clamp=7.0, offset=1.0`."""
        return "".join(f", {name}={value!r}" for name, value in numbers(self.inner).items())

    @property
    def constants(self) -> dict[str, float]:
        """The same as constants of kernels."""
        return {name.upper(): value for name, value in numbers(self.inner).items()}

    @property
    def variant(self) -> str:
        """What the names of its binaries begin with."""
        values = "".join(f"_{value:g}" for value in numbers(self.inner).values())
        return f"{self.name}_{self.width}{values}"

    @property
    def stride(self) -> int:
        """The numbers from one row of gate or up to the next."""
        return 2 * self.width if self.packed else self.width


@dataclass(frozen=True)
class GateFunction:
    """One function of gate and up, in PyTorch and as kernels."""

    name: str
    caption: str
    numbers: tuple[str, ...]
    plain: tuple[str, ...]
    """The statements of PyTorch's form, to the result."""

    forward: tuple[str, ...]
    """The statements between loading g and u and storing `a * u`."""

    backward: tuple[str, ...]
    """Those from loading d as well to storing both gradients."""

    apart: bool
    packed: bool
    """Whether it is called with gate and up apart, and side by side."""

    @property
    def typed(self) -> str:
        """Its further arguments, with their types."""
        return "".join(f", {name}: float" for name in self.numbers)

    @property
    def passed(self) -> str:
        """The same as they are passed on."""
        return "".join(f", {name}" for name in self.numbers)

    @property
    def named(self) -> str:
        """The same as constants of a kernel."""
        return "".join(f", {name.upper()}={name}" for name in self.numbers)

    @property
    def constants(self) -> str:
        """The same where the kernel takes them."""
        return "".join(f"{name.upper()}: tl.constexpr, " for name in self.numbers)

    @property
    def no_gradients(self) -> str:
        """None for each of them."""
        return ", None" * len(self.numbers)


def numbers(inner: InnerView) -> dict[str, float]:
    """The numbers that the class of a feed-forward hands over, by their names."""
    slope = QUICK_GELU_SLOPE if inner.activation == "quick_gelu" else None
    given = {"slope": slope, "clamp": inner.clamp, "clamp_after": inner.clamp_after}
    found = {name: value for name, value in given.items() if value is not None}
    return found | ({"offset": inner.offset} if inner.offset else {})


def gate(inner: InnerView, width: int, packed: bool = False) -> tuple[Gate, ...]:
    """The gate that kernels compute, where there is one."""
    in_kernels = inner.gated and inner.activation in CURVES
    return (Gate(inner, width, packed),) if in_kernels else ()


def gate_name(inner: InnerView) -> str:
    """The name of a function of gate and up: `silu_gate`, and which numbers it takes."""
    labels = [label for name, label in LABELS.items() if name in numbers(inner)]
    return "_".join([*labels, inner.activation, "gate"])


def gate_functions(gates: Iterable[Gate]) -> list[GateFunction]:
    """The distinct functions among `gates`, in order."""
    places: dict[str, list[Gate]] = {}
    for one in gates:
        places.setdefault(gate_name(one.inner), []).append(one)
    return [_function(name, alike) for name, alike in places.items()]


def shared(views: list[Any]) -> dict[str, Any]:
    """What the modules and the kernels of these feed-forwards see, dense or of experts."""
    gates = [gate for view in views for gate in view.gates]
    functions = gate_functions(gates)
    return {
        "learned": next((v.inner.learned for v in views if v.inner.learned), None),
        "gate_functions": functions,
        "gate_places": list({gate.variant: gate for gate in gates}.values()),
        "gate_numbers": any(function.numbers for function in functions),
        "gate_names": sorted({gate.name for gate in gates}),
    }


GATES = SharedFile(
    "activation.py",
    "templates/package/activation.py.jinja",
    "the activations of gates",
    needed="gates",
    context=shared,
)
GATE_KERNELS = SharedFile(
    "kernels/gate.py",
    "templates/kernels/gate/gate.py.jinja",
    "gated activations as Triton kernels",
    needed="gates",
    ahead="templates/kernels/gate/ahead.jinja",
    context=shared,
)


def _plain(inner: InnerView) -> tuple[str, ...]:
    """PyTorch's form: clamp, activation, clamp, offset, product."""
    lines: list[str] = []
    if inner.clamp is not None:
        lines.append("gate, up = gate.clamp(max=clamp), up.clamp(-clamp, clamp)")
    value = FORMULAS[inner.activation]
    if inner.clamp_after is not None:
        lines.append("up = up.clamp(-clamp_after, clamp_after)")
        value = f"({value})" if " * " in value else value
        value = f"{value}.clamp(max=clamp_after)"
    up = "(up + offset)" if inner.offset else "up"
    return (*lines, f"return {value} * {up}")


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
    limits = [name for name in ("CLAMP", "CLAMP_AFTER") if name.lower() in numbers(inner)]
    to_up = "to_up" if limits else "d"
    whole = " & ".join(f"(tl.abs(u) <= {limit})" for limit in limits)
    whole = whole if len(limits) > 1 else whole[1:-1]
    return (
        *([f"to_up = tl.where({whole}, d, 0.0)"] if limits else []),
        *(["to_gate = tl.where(g <= CLAMP, d, 0.0)"] if clamp is not None else []),
        *_before(inner),
        *curve.first,
        f"a = {curve.value}",
        *(
            [f"to_gate = tl.where(a <= CLAMP_AFTER, {'d' if clamp is None else to_gate}, 0.0)"]
            if after is not None
            else []
        ),
        *_after(inner),
        f"tl.store(grad_gate + at, {to_gate} * u * ({curve.slope}), mask=inside)",
        f"tl.store(grad_up + at, {to_up} * a, mask=inside)",
    )


def _before(inner: InnerView) -> list[str]:
    return [] if inner.clamp is None else ["g = tl.where(g > CLAMP, CLAMP, g)", _both("CLAMP")]


def _after(inner: InnerView) -> list[str]:
    cut = ["a = tl.where(a > CLAMP_AFTER, CLAMP_AFTER, a)", _both("CLAMP_AFTER")]
    raised = ["u += OFFSET"] if inner.offset else []
    return [*cut, *raised] if inner.clamp_after is not None else raised


def _both(limit: str) -> str:
    return f"u = tl.where(u > {limit}, {limit}, tl.where(u < -{limit}, -{limit}, u))"


def _function(name: str, places: list[Gate]) -> GateFunction:
    inner = places[0].inner
    clamped = ", clamped" if inner.clamp is not None or inner.clamp_after is not None else ""
    up = "(up + offset)" if inner.offset else "up"
    return GateFunction(
        name,
        f"{inner.activation}(gate) · {up}{clamped}",
        tuple(numbers(inner)),
        _plain(inner),
        _forward(inner),
        _backward(inner),
        apart=any(not place.packed for place in places),
        packed=any(place.packed for place in places),
    )
