"""The operator graph: typed operators with shapes and parameters between an input and an output.

The insets of the figure are drawn from it, and parameters and FLOPs are summed over it. Shapes
are those of one token's output, without batch and time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from math import prod
from typing import TYPE_CHECKING, Literal

from archspec.architecture.mask import Mask

if TYPE_CHECKING:
    import networkx as nx

INPUT = "input"
OUTPUT = "output"

Kind = Literal[
    "input",
    "output",
    "embedding",
    "positions",
    "join",
    "linear",
    "norm",
    "rope",
    "conv",
    "recurrence",
    "select",
    "attention",
    "sink",
    "bias",
    "shared",
    "activation",
    "clamp",
    "multiply",
    "add",
    "router",
    "experts",
    "scale",
    "module",
]


@dataclass(frozen=True)
class Parameter:
    """A stored tensor; `active` is the share of it that one token uses.

    One that is not `trained` is a buffer: it is saved and loaded, and gradients leave it alone.
    One that only `chooses` what others work on is trained by a loss of its own: the model's gives
    it no gradient. One that `keeps` its first value has it from its module; others are drawn anew.
    """

    name: str
    shape: tuple[int, ...]
    active: Fraction = Fraction(1)
    trained: bool = True
    chooses: bool = False
    keeps: bool = False

    @property
    def size(self) -> int:
        """How many numbers it holds."""
        return prod(self.shape)


@dataclass(frozen=True)
class Counts:
    """Numbers stored in tensors: those that are `learned`, of them those that are `active` for
    one token, and those in `buffers`.

    The first is what `sum(p.numel() for p in model.parameters())` gives.
    """

    learned: int
    active: int
    buffers: int


def counts(parameters: Iterable[Parameter]) -> Counts:
    """How many numbers `parameters` hold."""
    learned, active, buffers = 0, Fraction(0), 0
    for parameter in parameters:
        if parameter.trained:
            learned += parameter.size
            active += parameter.size * parameter.active
        else:
            buffers += parameter.size
    return Counts(learned, int(active), buffers)


@dataclass(frozen=True)
class Operator:
    """A node of the graph.

    `per_token`, `per_source` and `per_key` are FLOPs of matrix products, a multiply-add being two:
    for each token, once for each token of the encoder's text, and for each (token, key) pair that
    `mask` admits; `per_key_later` is the latter for tokens that continue a text, where that is
    computed in another way. `inside` is the graph of a module whose parameters are named `name.…`;
    `detail` is a second line for the figure.
    """

    name: str
    kind: Kind
    label: str
    shape: tuple[int, ...] = ()
    parameters: tuple[Parameter, ...] = ()
    per_token: int = 0
    per_source: int = 0
    per_key: int = 0
    per_key_later: int = 0
    mask: Mask | None = None
    inside: OperatorGraph | None = None
    detail: str = ""


@dataclass(frozen=True)
class Edge:
    """From one operator's output to another's input; `label` names the value (`q`)."""

    source: str
    target: str
    label: str = ""


@dataclass(frozen=True)
class OperatorGraph:
    """Operators in the order of computation, and the edges between them."""

    operators: tuple[Operator, ...]
    edges: tuple[Edge, ...]

    def __getitem__(self, name: str) -> Operator:
        """The operator called `name`."""
        for operator in self.operators:
            if operator.name == name:
                return operator
        raise KeyError(name)

    def parameters(self, prefix: str = "") -> Iterator[Parameter]:
        """Every parameter with its dotted name, in order; shared modules count once."""
        for operator in self.operators:
            for p in operator.parameters:
                yield replace(p, name=prefix + p.name)
            if operator.inside:
                yield from operator.inside.parameters(f"{prefix}{operator.name}.")

    def flops(self, first: int, tokens: int, source: int = 0) -> int:
        """FLOPs of the matrix products for `tokens` tokens after `first` that were read.

        The `source` tokens of an encoder's text are read with the first ones.
        """
        total = 0
        for operator in self.operators:
            total += operator.per_token * tokens
            total += operator.per_source * (source if first == 0 else 0)
            if operator.per_key:
                mask = operator.mask or Mask(causal=False)
                per_key = operator.per_key_later if first else 0
                seen = mask.keys_seen(first, tokens, source)
                total += (per_key or operator.per_key) * seen
            if operator.inside:
                total += operator.inside.flops(first, tokens, source)
        return total

    def networkx(self) -> nx.DiGraph[str]:
        """As a networkx graph: operators under `operator`, labels under `label`."""
        import networkx as nx

        graph: nx.DiGraph[str] = nx.DiGraph()
        for operator in self.operators:
            graph.add_node(operator.name, operator=operator)
        for edge in self.edges:
            graph.add_edge(edge.source, edge.target, label=edge.label)
        return graph

    def verify(self) -> None:
        """Assert that this is one flow from input to output without cycles or loose ends."""
        import networkx as nx

        graph = self.networkx()
        names = [operator.name for operator in self.operators]
        assert len(set(names)) == len(names), f"operators share a name: {names}"
        assert set(graph) == set(names), f"an edge leads nowhere: {set(graph) - set(names)}"
        assert nx.is_directed_acyclic_graph(graph), "the operators form a cycle"
        for name in names:
            if name != OUTPUT:
                assert nx.has_path(graph, name, OUTPUT), f"{name} does not reach the output"
            if graph.in_degree(name) == 0:
                operator = self[name]
                assert operator.kind in ("input", "sink", "bias", "shared"), f"{name} has no input"


@dataclass
class GraphBuilder:
    """Collects operators and edges; `add` returns the name to connect the next one to."""

    width: int
    operators: list[Operator] = field(default_factory=list[Operator])
    edges: list[Edge] = field(default_factory=list[Edge])

    def __post_init__(self) -> None:
        """Open the graph with its input."""
        self.operators.append(Operator(INPUT, "input", "x", (self.width,)))

    def add(self, operator: Operator, *sources: str | tuple[str, str]) -> str:
        """Append `operator`, fed by `sources`: names, or (name, label of the value)."""
        self.operators.append(operator)
        for source in sources:
            name, label = source if isinstance(source, tuple) else (source, "")
            self.edges.append(Edge(name, operator.name, label))
        return operator.name

    def done(self, last: str) -> OperatorGraph:
        """Close the graph: `last` is its output."""
        shape = next(o.shape for o in self.operators if o.name == last)
        self.add(Operator(OUTPUT, "output", "y", shape), last)
        return OperatorGraph(tuple(self.operators), tuple(self.edges))


def linear(
    name: str, label: str, inputs: int, outputs: tuple[int, ...], bias: bool = False
) -> Operator:
    """A linear map of one token from `inputs` numbers to the shape `outputs`."""
    width = prod(outputs)
    weights = [Parameter(f"{name}.weight", (width, inputs))]
    if bias:
        weights.append(Parameter(f"{name}.bias", (width,)))
    return Operator(name, "linear", label, outputs, tuple(weights), per_token=2 * inputs * width)
