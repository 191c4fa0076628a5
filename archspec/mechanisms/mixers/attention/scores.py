"""What a score is made of, and the call of the function that makes values of scores."""

from __future__ import annotations

from dataclasses import dataclass

from archspec.architecture.block_pattern import BlockPattern
from archspec.mechanisms.mixers.attention.fields import Alibi
from archspec.mechanisms.mixers.attention.functions import (
    PATTERN,
    Attend,
    Distances,
    RelativeView,
)
from archspec.mechanisms.mixers.attention.spec import Attention


@dataclass(frozen=True)
class Scores:
    """What a query sees, and what joins or changes a score: each stands once in its class.

    What a class needs in several places is an attribute of it.
    """

    window: int | None
    chunk: int | None
    blocks: BlockPattern | None
    scale: str
    softcap: float | None
    slopes: str | None
    """The expression for the slope of each head."""

    relative: RelativeView | None
    function: Attend
    activation: str | None
    """The function of a gate on what attention gives."""

    selects: bool
    caches: bool

    @property
    def owned(self) -> str:
        """The statement for the numbers that a class needs in several places."""
        own = {"window": repr(self.window)} if self.window and self.caches else {}
        own |= {"chunk": repr(self.chunk)} if self.chunk and self.caches else {}
        own |= {"scale": self.scale} if self._scales_slopes else {}
        return f"{', '.join(own)} = {', '.join(own.values())}" if own else ""

    @property
    def _scales_slopes(self) -> bool:
        return self.slopes is not None and "self.scale" in self.slopes

    @property
    def reach(self) -> str:
        """The name of how many tokens are kept, where these are not all."""
        return "window" if self.window else "chunk" if self.chunk else ""

    @property
    def gates(self) -> bool:
        """Whether it multiplies what it gets by a gate itself."""
        return self.selects and self.activation is not None

    @property
    def call(self) -> str:
        """The expression for what attention gives, (B, H, T, D)."""
        named = "".join(f", {name}={value}" for name, value in self._named().items())
        if not self.selects:
            return f"{self.function.name}(q, k, v, step{named})"
        made = f"attend_chosen(q, k, v, chosen, step{named})"
        return f'gated({made}, self.gate_proj(x), "{self.activation}")' if self.gates else made

    def _named(self) -> dict[str, str]:
        found = {"sinks": "self.sinks"} if self.function.core_view.sinks else {}
        found |= {"slopes": "slopes"} if self.slopes else {}
        found |= {"relative": "relative"} if self.relative else {}
        found |= {"gate": "self.gate_proj(x)"} if self.function.gate else {}
        for name in ("window", "chunk"):
            value = getattr(self, name)
            found |= {name: f"self.{name}" if self.caches else repr(value)} if value else {}
        if self.blocks:
            found |= {name: repr(getattr(self.blocks, name)) for name in PATTERN}
        found["scale"] = "self.scale" if self._scales_slopes else self.scale
        found |= {"softcap": repr(self.softcap)} if self.softcap else {}
        return found | ({"activation": f'"{self.activation}"'} if self.function.gate else {})


LONGEST = 9
"""Up to so many digits a number is read as easily as a power."""


def written(scale: float, width: int) -> str:
    """A factor of scores as people write it: `256**-0.5`, or its digits where it is no such power.

    `width` is that of a query.
    """
    if scale == width**-0.5:
        return f"{width}**-0.5"
    root = round(scale**-2)
    if len(repr(scale)) > LONGEST and root and root**-0.5 == scale:
        return f"{root}**-0.5"
    return repr(scale)


def relative(a: Attention) -> RelativeView | None:
    """The bias for each distance, where it is learned."""
    own = a.relative_bias
    if own is None:
        return None
    rows = f"torch.arange({own.rows(a.causal)}, device=x.device)"
    table = 'step.tables["relative_bias"]' if own.shared else f"self.relative_bias({rows})"
    count = "step.start + tokens" if a.causal else "tokens"
    arguments = f"{table}, {count}" + (f", furthest={own.max_distance}" if own.buckets else "")
    kind = "buckets" if own.buckets else "each"
    return RelativeView(Distances(kind), not a.causal, arguments)


def slopes(alibi: Alibi, heads: int) -> str:
    """The expression for what each head takes from a score per token of distance.

    Scaled ones are multiplied by the factor of scores, an attribute of the class. They are made on
    the device of x alone: a CUDA graph holds no copy from the host.
    """
    exponents = alibi.exponents(heads)
    power = 1 << (heads.bit_length() - 1)
    first, rest = exponents[:power], exponents[power:]
    made = f"{-first[0]!r} * torch.arange(1, {power + 1}, device=x.device)"
    assert first == [first[0] * (i + 1) for i in range(power)]
    if rest:  # the odd steps of the next power of two
        assert rest == [rest[0] * (2 * i + 1) for i in range(len(rest))]
        other = f"{-rest[0]!r} * torch.arange(1, {2 * len(rest)}, 2, device=x.device)"
        made = f"torch.cat(({made}, {other}))"
    else:
        made = f"({made})"
    factor = "self.scale * " if alibi.scaled else ""
    return f"{factor}2.0 ** {made}"
