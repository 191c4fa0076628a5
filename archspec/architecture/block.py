"""A kind of layer in the intermediate representation: updates of the residual stream."""

from __future__ import annotations

from dataclasses import dataclass

from archspec.architecture.graph import INPUT, GraphBuilder, Operator, OperatorGraph, Parameter
from archspec.architecture.operators import norm_operator
from archspec.mechanisms.base import Mechanism
from archspec.spec.norm import Norm


@dataclass(frozen=True)
class NamedNorm:
    """A norm and the name of its module in a layer."""

    name: str
    norm: Norm


@dataclass(frozen=True)
class Scale:
    """A factor: a number of the spec, or one stored under `name`, for each channel or for all.

    A stored one starts at `value`; one that is not `trained` is a buffer.
    """

    value: float
    name: str | None = None
    channels: int = 1
    trained: bool = True

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """What is stored of it."""
        if self.name is None:
            return ()
        return (Parameter(self.name, (self.channels,), trained=self.trained),)

    def operator(self, name: str, width: int) -> Operator:
        """As a node of a graph."""
        label = f"× {self.value:.6g}" if self.name is None else "× s"
        return Operator(name, "scale", label, (width,), self.parameters)


@dataclass(frozen=True)
class Branch:
    """A function of the residual stream: scale · o · inside(body(i · before(x))).

    The factors i and o are the body's own, `input_scale` and `output_scale`.
    """

    name: str
    body: Mechanism
    before: NamedNorm | None = None
    inside: NamedNorm | None = None
    scale: Scale | None = None

    @property
    def norms(self) -> tuple[NamedNorm, ...]:
        """Its norms, in order of computation."""
        return tuple(norm for norm in (self.before, self.inside) if norm)


@dataclass(frozen=True)
class Update:
    """One update of the residual stream: x ← after(x + inside(Σ branch(before(x))))."""

    branches: tuple[Branch, ...]
    before: NamedNorm | None = None
    inside: NamedNorm | None = None
    after: NamedNorm | None = None


@dataclass(frozen=True)
class Block:
    """A kind of layer: its updates of the residual stream, and what then multiplies it."""

    name: str
    updates: tuple[Update, ...]
    scale: Scale | None = None

    @property
    def branches(self) -> tuple[Branch, ...]:
        """The branches of all updates, in order."""
        return tuple(branch for update in self.updates for branch in update.branches)

    def graph(self, hidden_size: int) -> OperatorGraph:
        """The layer's operators; each mechanism is one operator with its graph inside."""
        build = GraphBuilder(hidden_size)
        x = INPUT
        for number, update in enumerate(self.updates, start=1):
            x = _update(build, update, number, x)
        if self.scale:
            x = build.add(self.scale.operator("layer_scale", hidden_size), x)
        return build.done(x)


def _update(build: GraphBuilder, update: Update, number: int, x: str) -> str:
    width = build.width

    def normed(named: NamedNorm | None, value: str) -> str:
        return build.add(norm_operator(named.name, named.norm, width), value) if named else value

    start = normed(update.before, x)
    values: list[str] = []
    for branch in update.branches:
        value = normed(branch.inside, _body(build, branch, normed(branch.before, start)))
        own = branch.body.output_scale
        if own is not None:
            value = build.add(Scale(own).operator(f"{branch.name}_output_scale", width), value)
        if branch.scale:
            value = build.add(branch.scale.operator(f"{branch.name}_scale", width), value)
        values.append(value)
    if update.inside:
        joint = build.add(Operator(f"join_{number}", "add", "+", (width,)), *values)
        values = [normed(update.inside, joint)]
    x = build.add(Operator(f"add_{number}", "add", "+", (width,)), *values, x)
    return normed(update.after, x)


def _body(build: GraphBuilder, branch: Branch, value: str) -> str:
    body, width = branch.body, build.width
    if body.input_scale is not None:
        scale = Scale(body.input_scale).operator(f"{branch.name}_input_scale", width)
        value = build.add(scale, value)
    module = Operator(branch.name, "module", body.title(), (width,), inside=body.graph(width))
    return build.add(module, value)
