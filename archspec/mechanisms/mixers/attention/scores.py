"""What a score is made of, and the arguments that say so wherever attention is called."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from archspec.architecture.block_pattern import BlockPattern
from archspec.mechanisms.mixers.attention.fields import Alibi
from archspec.mechanisms.mixers.attention.functions import Distances, RelativeView
from archspec.mechanisms.mixers.attention.spec import Attention


@dataclass(frozen=True)
class Scores:
    """What a query sees, and what joins or changes a score."""

    causal: bool
    window: int | None
    chunk: int | None
    blocks: BlockPattern | None
    scale: float
    softcap: float | None
    sinks: bool
    slopes: str | None
    """The expression for the slope of each head."""

    relative: RelativeView | None
    places: tuple[str, ...]
    """The expressions for where queries stand, or for which keys are real."""

    @property
    def attend_arguments(self) -> str:
        """What follows q, k and v in the call."""
        return self._arguments("self.sinks", self.places)

    @property
    def selftest_arguments(self) -> str:
        """The same call on a text from its start."""
        start = ["0", *["None"] * len(self.places)][: len(self.places)]
        places = start if self.causal else ["None"]
        return f"q, k, v, {self._arguments('sinks', places)}"

    @property
    def both_ways_arguments(self) -> str:
        """What follows the output, q, k and v in the call that reads a prefix."""
        parts = ["self.sinks"] if self.sinks else []
        parts += ["step.prefix", "step.real", repr(self.scale)]
        return ", ".join(parts + ([repr(self.softcap)] if self.softcap else []))

    @property
    def definition_arguments(self) -> str:
        """The arguments of the definition that the selftest compares with."""
        parts = ["q, k, v", repr(self.scale)]
        for name in ("window", "chunk", "softcap"):
            value = getattr(self, name)
            parts += [f"{name}={value!r}"] if value else []
        parts += [f"blocks={tuple(_numbers(self.blocks).values())}"] if self.blocks else []
        parts += ["sinks=sinks"] if self.sinks else []
        parts += ["slopes=slopes"] if self.slopes else []
        parts += ["relative=relative"] if self.relative else []
        return ", ".join(parts)

    @property
    def options(self) -> list[str]:
        """What the definition must know beside the scale."""
        names = ("window", "chunk", "blocks", "sinks", "slopes", "relative", "softcap")
        kind = "causal" if self.causal else "bidirectional"
        return [kind, *(name for name in names if getattr(self, name))]

    def _arguments(self, sinks: str, places: Sequence[str]) -> str:
        parts = [sinks] if self.sinks else []
        parts += ["slopes"] if self.slopes else []
        parts += ["relative"] if self.relative else []
        parts += places
        parts += [f"window={self.window}"] if self.window else []
        parts += [f"chunk={self.chunk}"] if self.chunk else []
        if self.blocks:
            parts += [f"{name}={value}" for name, value in _numbers(self.blocks).items()]
        parts.append(f"scale={self.scale!r}")
        parts += [f"softcap={self.softcap!r}"] if self.softcap else []
        return ", ".join(parts)


def _numbers(blocks: BlockPattern) -> dict[str, int | None]:
    """What a package is told of a pattern, which follows from the key-value head by itself."""
    names = ("size", "local", "first", "stride", "shift")
    return {name: getattr(blocks, name) for name in names}


def relative(a: Attention) -> RelativeView | None:
    """The bias for each distance, where it is learned."""
    own = a.relative_bias
    if own is None:
        return None
    rows = f"torch.arange({own.rows(a.causal)}, device=x.device)"
    table = 'step.tables["relative_bias"]' if own.shared else f"self.relative_bias({rows})"
    count = "step.start + tokens" if a.causal else "tokens"
    arguments = f"{table}, min({count}, {own.distances})"
    if own.buckets:
        near = own.buckets // (2 if a.causal else 4)
        arguments += f", near={near}, furthest={own.max_distance}"
    kind = "buckets" if own.buckets else "each"
    return RelativeView(Distances(kind), not a.causal, own.distances, arguments)


def slopes(alibi: Alibi, heads: int, scale: float) -> str:
    """The expression for what each head takes from a score per token of distance.

    It is made on the device of x alone: a CUDA graph holds no copy from the host.
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
    factor = f"{scale!r} * " if alibi.scaled else ""
    return f"{factor}2.0 ** {made}"
