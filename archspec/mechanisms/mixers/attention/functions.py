"""The functions of a package's attend.py: which are needed, and what they hand to kernels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol

from archspec.codegen.files import SharedFile
from archspec.codegen.site import Check
from archspec.kernels.attention.gating import Gating
from archspec.kernels.attention.names import kinds
from archspec.kernels.attention.numbers import needed
from archspec.kernels.attention.view import KernelView
from archspec.mechanisms.mixers.attention.definition_view import Definition


@dataclass(frozen=True)
class Core:
    """How scores become values: what joins or changes them."""

    sinks: bool
    capped: bool
    alibi: bool

    @property
    def suffix(self) -> str:
        """What is added to a function's name."""
        parts = [("capped", self.capped), ("sink", self.sinks), ("alibi", self.alibi)]
        return "_".join(name for name, there in parts if there)

    @property
    def template(self) -> str:
        """The template of the functions that compute it."""
        if self.capped:
            return "core_capped"
        return "core_alibi" if self.alibi else "core_sink" if self.sinks else "core"


PLAIN = Core(sinks=False, capped=False, alibi=False)
PATTERN = ("size", "local", "first", "stride", "shift")
"""The numbers of a block pattern, as functions are told of one."""


@dataclass(frozen=True)
class Attend:
    """One function for what a query sees, a core, and what is done beside."""

    kind: str
    core_view: Core
    prefix: bool = False
    gate: Literal["element", "head"] | None = None

    @property
    def template(self) -> str:
        """Its template."""
        if self.gate:
            return "attend_gated"
        return "attend_prefix" if self.prefix else f"attend_{self.kind}"

    @property
    def name(self) -> str:
        """Its name."""
        return "_".join(["attend", self.kind, *self._suffixes])

    @property
    def in_kernels(self) -> str:
        """What kernels for it are called."""
        return "_".join([_IN_KERNELS.get(self.kind, self.kind), *self._suffixes])

    @property
    def _suffixes(self) -> list[str]:
        found = [self.core_view.suffix] if self.core_view.suffix else []
        found += ["prefix"] if self.prefix else []
        return found + ([Gating(self.gate).name] if self.gate else [])

    @property
    def simpler(self) -> Attend | None:
        """The function whose values it changes, where it is one that does."""
        if self.gate:
            return replace(self, gate=None)
        return replace(self, prefix=False) if self.prefix else None

    @property
    def both_ways(self) -> str:
        """The function for a prefix that goes with it."""
        return _with_suffix("both_ways", self.core_view)

    @property
    def causal(self) -> bool:
        """Whether a token sees what came before it alone."""
        return self.kind not in ("bidirectional", "source", "relative_both")

    @property
    def inner(self) -> Core:
        """How scores become values in the functions that it calls.

        Keys that are picked from a text do not lie side by side, so slopes join queries and keys
        before that.
        """
        return PLAIN if self.kind == "block_sparse" and self.core_view.alibi else self.core_view

    @property
    def core(self) -> str:
        """The function for several tokens that it calls."""
        return _with_suffix("softmax_values", self.inner)

    @property
    def one_token(self) -> str:
        """The function for a single token that it calls."""
        return _with_suffix("one_token", self.inner)

    @property
    def mask_for_each(self) -> str:
        """When masks that differ between key-value heads must have a row for each query head."""
        return "shift" if self.core_view.capped else "shift and tokens > 1"

    @property
    def _tensors(self) -> list[str]:
        own = {"sinks": self.core_view.sinks, "slopes": self.core_view.alibi}
        own |= {"relative": self.kind.startswith("relative"), "gate": self.gate is not None}
        return [name for name, there in own.items() if there]

    @property
    def _numbers(self) -> dict[str, str]:
        own = {"window": "int"} if self.kind == "sliding" else {}
        own |= {"chunk": "int"} if self.kind == "chunked" else {}
        if self.kind == "block_sparse":
            own |= {name: "int | None" if name == "stride" else "int" for name in PATTERN}
        own |= {"scale": "float"} | ({"softcap": "float"} if self.core_view.capped else {})
        return own | ({"activation": "str"} if self.gate else {})

    @property
    def parameters(self) -> str:
        """Tensors and numbers that it takes after the step."""
        tensors = [f"{name}: Tensor" for name in self._tensors]
        return ", ".join(tensors + [f"{name}: {own}" for name, own in self._numbers.items()])

    @property
    def passed(self) -> str:
        """These by name, passed on to a function that takes them."""
        return ", ".join(f"{name}={name}" for name in (*self._tensors, *self._numbers))

    @property
    def extra(self) -> str:
        """The tensors, passed on to the functions of a core."""
        own = {"sinks": self.inner.sinks, "slopes": self.inner.alibi}
        return "".join(f"{name}, " for name, there in own.items() if there)

    @property
    def core_parameters(self) -> str:
        """These as parameters."""
        return "".join(f"{name}: Tensor, " for name in self.extra.split(", ") if name)

    @property
    def option_parameters(self) -> str:
        """Numbers that the functions of a core take at the end."""
        return ", softcap: float" if self.core_view.capped else ""

    @property
    def options(self) -> str:
        """These, passed on."""
        return ", softcap" if self.core_view.capped else ""


@dataclass(frozen=True)
class Dispatch:
    """Where kernels compute what a function does: when, and what they are called with."""

    function: Attend
    kernel: KernelView
    decodes: bool
    packs: bool

    @property
    def alike(self) -> str:
        """When texts stand so that kernels can tell: of such that differ one token each."""
        if not (self.function.causal and self.decodes):
            return ""
        alike = "step.starts is None"
        return f" and ({alike} or q.shape[2] == 1)" if self.kernel.ragged else f" and {alike}"

    @property
    def arguments(self) -> str:
        """What follows q, k and v."""
        t, f = self.kernel, self.function
        own = {"sinks": t.sinks, "slopes": t.slopes, "relative": t.relative, "gate": bool(t.gate)}
        parts = [name for name, there in own.items() if there]
        parts += ["step.start"] * t.chunk
        parts += ["step.prefix if step.start == 0 else 0"] * t.prefix
        parts.append(self._bounds)
        real = "step.source_real" if f.kind == "source" else "step.real"
        one = {"starts": "step.starts" if self.decodes else "None", "real": real}
        parts += [one[t.for_one]] if t.for_one else []
        pattern = "[size, local, first, stride or 1 << 30, shift]"
        return ", ".join(parts + [pattern if n == "blocks" else n for n in needed(t)])

    @property
    def _bounds(self) -> str:
        if self.function.kind == "source":
            return "step.source_bounds"
        if not self.function.causal:
            return "step.bounds"
        return "step.spans" if self.packs or self.kernel.prefix else "None"


def _with_suffix(stem: str, core: Core) -> str:
    return f"{stem}_{core.suffix}" if core.suffix else stem


@dataclass(frozen=True)
class Distances:
    """A function from a table to a bias for each distance."""

    kind: str

    @property
    def name(self) -> str:
        """Its name."""
        return "by_bucket" if self.kind == "buckets" else "by_distance"

    @property
    def parameters(self) -> str:
        """What it takes at the end."""
        return ", furthest: int" if self.kind == "buckets" else ""

    @property
    def passed(self) -> str:
        """These, passed on."""
        return ", furthest" if self.kind == "buckets" else ""


@dataclass(frozen=True)
class RelativeView:
    """A learned bias: the function that spreads its table over distances, and the call."""

    function: Distances
    both: bool
    arguments: str

    @property
    def call(self) -> str:
        """The name of the function."""
        return self.function.name + ("_both" if self.both else "")


class Calling(Protocol):
    """A view of a module that calls one of these functions."""

    @property
    def function(self) -> Attend:
        """The function that it calls."""
        ...

    @property
    def relative(self) -> RelativeView | None:
        """A learned bias for each distance, where there is one."""
        ...

    @property
    def kernel(self) -> KernelView | None:
        """The kernels for its shape, where there are such."""
        ...

    @property
    def head_dim(self) -> int:
        """Width of a query or key."""
        ...

    @property
    def value_head_dim(self) -> int:
        """Width of a value."""
        ...

    @property
    def absorbs(self) -> bool:
        """Whether it ever works on latents."""
        ...

    @property
    def gates(self) -> bool:
        """Whether it multiplies what it gets by a gate itself."""
        ...


def _with_simpler(functions: Sequence[Attend]) -> Iterator[Attend]:
    for function in functions:
        if function.simpler:
            yield from _with_simpler([function.simpler])
        yield function


def shared(views: Sequence[Calling]) -> dict[str, Any]:
    """The functions that all attention classes call, each once, the simple ones first."""
    functions = list(dict.fromkeys(_with_simpler([v.function for v in views])))
    cores = list(dict.fromkeys(f.inner for f in functions if f.kind in _LOOK_BACK))
    there = {f.kind for f in functions}
    biased = [v.relative for v in views if v.relative]
    made = kinds(views)
    return {
        "functions": functions,
        "cores": cores,
        "in_kernels": made,
        "made": [(k, t.head_dim, t.value_dim) for k, those in made.items() for t in those],
        "dispatch": Dispatch,
        "definition": Definition.of(functions),
        "slides": "sliding" in there,
        "in_blocks": not there.isdisjoint(("sliding", "chunked")),
        "picking": "block_sparse" in there,
        "sloping": any(f.core_view.alibi for f in functions),
        "any_causal": any(f.causal for f in functions),
        "cutting": any(c.capped for c in cores) or any(v.absorbs for v in views),
        "narrower": any(v.value_head_dim < v.head_dim for v in views),
        "gates": any(f.gate for f in functions) or any(v.gates for v in views),
        "prefixed": list({f.both_ways: f for f in functions if f.prefix}.values()),
        "distances": list(dict.fromkeys(bias.function for bias in biased)),
        "both_sides": {bias.function for bias in biased if bias.both},
        "attend_names": sorted({f.name for f in functions} | {bias.call for bias in biased}),
    }


ATTEND = SharedFile(
    "attend.py",
    "mechanisms/mixers/attention/templates/attend.py.jinja",
    "softmax attention over ready queries and keys",
    context=shared,
)

WATCHED = Check(
    "Attention is compared with its definition in float64, as the layers call it.",
    label="attention",
    function="watched_attention",
    imports="from .attend import definition\n",
    template="mechanisms/mixers/attention/templates/check.py.jinja",
    context=shared,
    watches=True,
)

_IN_KERNELS = {
    "relative": "causal_relative",
    "relative_both": "bidirectional_relative",
    "source": "bidirectional",
}
_LOOK_BACK = ("causal", "sliding", "chunked", "block_sparse")
