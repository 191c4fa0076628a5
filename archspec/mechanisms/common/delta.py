"""What mixers by the delta rule share: fields, what they keep, and their operators.

Each head keeps a matrix S that maps keys to values. A token lets it decay, reads what it holds
for the token's key, and corrects that towards the token's value (arXiv 2406.06484, 2412.06464):

    S ← e^g S        S ← S + k β (v − kᵀ S)        y = qᵀ S
"""

from __future__ import annotations

from abc import abstractmethod

from pydantic import Field

from archspec.architecture.graph import INPUT, GraphBuilder, Operator, OperatorGraph, linear
from archspec.architecture.operators import convolution, norm_operator
from archspec.mechanisms.base import Mechanism, State
from archspec.mechanisms.common.output_gate import LABELS, OutputGate
from archspec.spec.base import Size
from archspec.spec.norm import Norm, OptionalNorm

PLAIN_NORM = Norm(type="rmsnorm", weight=True, zero_centered=False)


class DeltaMixer(Mechanism):
    """The fields of every mixer by the delta rule."""

    key_head_dim: Size = Field(description="Width of one query or key head.")
    value_head_dim: Size = Field(description="Width of one value head.")
    conv: int | None = Field(
        default=None,
        ge=2,
        le=64,
        description="Queries, keys and values each pass a convolution over so many tokens.",
    )
    l2_norm: bool = Field(
        default=True, description="Queries and keys are scaled to length one, by head."
    )
    allow_neg_eigval: bool = Field(
        default=False,
        description="β is doubled, so that what is stored for a key may change its sign.",
    )
    output_norm: OptionalNorm = Field(
        default=PLAIN_NORM,
        description="A norm of each head's output; RMSNorm with a plain weight when left out.",
    )

    @property
    def exact(self) -> bool:
        """Whether what shapes the decay, and the convolutions, stay in float32."""
        return False

    @property
    @abstractmethod
    def query_heads(self) -> int:
        """How many query and key heads there are."""

    @property
    @abstractmethod
    def memories(self) -> int:
        """How many value heads there are: each keeps a matrix."""

    @property
    @abstractmethod
    def output_gate(self) -> OutputGate | None:
        """The gate on what the heads give."""

    @abstractmethod
    def add_decay(self, build: GraphBuilder, hidden_size: int) -> list[str]:
        """Add the operators of the decay; the last of them, or nothing without decay."""

    @property
    def widths(self) -> dict[str, tuple[int, int]]:
        """Heads and their width of query, key and value."""
        key = (self.query_heads, self.key_head_dim)
        return {"q": key, "k": key, "v": (self.memories, self.value_head_dim)}

    def state(self) -> State:
        """A matrix for each value head, and the last tokens that the convolutions still need."""
        channels = sum(heads * width for heads, width in self.widths.values())
        return State(
            fixed=(self.conv - 1) * channels if self.conv else 0,
            exact=self.memories * self.key_head_dim * self.value_head_dim,
        )

    def graph(self, hidden_size: int) -> OperatorGraph:
        """Project, convolve, scale, decay and correct, norm, gate, project back."""
        build = GraphBuilder(hidden_size)
        sources = [_stream(build, self, name, hidden_size) for name in "qkv"]
        sources += self.add_decay(build, hidden_size)
        heads = (self.memories,)
        beta = build.add(linear("b_proj", "Linear β", hidden_size, heads), INPUT)
        detail = "doubled" if self.allow_neg_eigval else ""
        beta = build.add(Operator("beta", "activation", "σ", heads, detail=detail), beta)
        keys, values = self.key_head_dim, self.value_head_dim
        shape = (self.memories, values)
        rule = Operator(
            "delta_rule",
            "recurrence",
            "Delta rule",
            shape,
            # Three products with the matrix: what it holds for k, the correction, what q reads.
            per_token=6 * self.memories * keys * values,
            detail=f"{self.memories:,} × {keys:,} × {values:,} kept in float32",
        )
        last = build.add(rule, *sources, beta)
        if self.output_norm:
            norm = norm_operator("o_norm", self.output_norm, self.value_head_dim, shape)
            last = build.add(norm, last)
        if self.output_gate:
            last = _gate(build, self.output_gate, hidden_size, shape, last)
        width = self.memories * self.value_head_dim
        return build.done(build.add(linear("o_proj", "Linear o", width, (hidden_size,)), last))

    def sentence(self) -> str:
        """The caption without the decay: the matrices, who shares them, the convolutions."""
        key_heads, conv = self.query_heads, self.conv
        matrix = "a matrix" if self.memories == 1 else f"{self.memories:,} matrices"
        text = f"{matrix} {self.key_head_dim:,} × {self.value_head_dim:,}"
        if key_heads < self.memories:
            text += f", {key_heads:,} key head" + ("" if key_heads == 1 else "s")
        return text + (f", conv over {conv} tokens" if conv else "")


def _stream(build: GraphBuilder, mixer: DeltaMixer, name: str, hidden_size: int) -> str:
    """The stages of query, key or value."""
    shape = mixer.widths[name]
    last = build.add(linear(f"{name}_proj", f"Linear {name}", hidden_size, shape), INPUT)
    if mixer.conv:
        conv = convolution(f"{name}_conv1d", mixer.conv, shape, label="Conv")
        last = build.add(conv, last)
    last = build.add(Operator(f"{name}_silu", "activation", "SiLU", shape), last)
    if name == "v" or not mixer.l2_norm:
        return last
    return build.add(Operator(f"{name}_unit", "norm", "L2 norm", shape), last)


def _gate(
    build: GraphBuilder, gate: OutputGate, hidden_size: int, shape: tuple[int, ...], last: str
) -> str:
    side = add_projection(build, "g", "Linear gate", hidden_size, shape, gate.rank, gate.bias)
    side = build.add(Operator("gate", "activation", LABELS[gate.activation], shape), side)
    return build.add(Operator("gated", "multiply", "×", shape), last, side)


def add_projection(
    build: GraphBuilder,
    name: str,
    label: str,
    hidden_size: int,
    shape: tuple[int, ...],
    rank: int | None,
    bias: bool = False,
) -> str:
    """A linear map of the input, or two of them through `rank` numbers; returns the last."""
    if rank is None:
        return build.add(linear(f"{name}_proj", label, hidden_size, shape, bias), INPUT)
    down = build.add(linear(f"{name}_a_proj", f"{label} a", hidden_size, (rank,)), INPUT)
    return build.add(linear(f"{name}_b_proj", f"{label} b", rank, shape, bias), down)
