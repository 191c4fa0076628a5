"""The functions of a package's attend.py: which are needed, and what they pass on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from archspec.codegen.files import SharedFile
from archspec.codegen.site import Site
from archspec.kernels.attention.view import KernelView


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


@dataclass(frozen=True)
class Attend:
    """One function for a kind of mask and a core."""

    kind: str
    core_view: Core

    @property
    def template(self) -> str:
        """Its template."""
        return f"attend_{self.kind}"

    @property
    def name(self) -> str:
        """Its name."""
        return self._named(f"attend_{self.kind}")

    @property
    def both_ways(self) -> str:
        """The function for a prefix that goes with it."""
        return self._named("both_ways")

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
        return self._inner("softmax_values")

    @property
    def one_token(self) -> str:
        """The function for a single token that it calls."""
        return self._inner("one_token")

    @property
    def mask_for_each(self) -> str:
        """When masks that differ between key-value heads must have a row for each query head."""
        return "shift" if self.core_view.capped else "shift and tokens > 1"

    @property
    def parameters(self) -> str:
        """Tensors that it takes after q, k and v."""
        return "".join(f"{name}: Tensor, " for name in _tensors(self.core_view))

    @property
    def extra(self) -> str:
        """The same tensors, passed on."""
        return "".join(f"{name}, " for name in _tensors(self.inner))

    @property
    def option_parameters(self) -> str:
        """Numbers that it takes at the end."""
        return ", softcap: float" if self.core_view.capped else ""

    @property
    def options(self) -> str:
        """The same numbers, passed on."""
        return ", softcap" if self.core_view.capped else ""

    def _named(self, stem: str) -> str:
        return _with_suffix(stem, self.core_view)

    def _inner(self, stem: str) -> str:
        return _with_suffix(stem, self.inner)


def _tensors(core: Core) -> list[str]:
    return [name for name, there in (("sinks", core.sinks), ("slopes", core.alibi)) if there]


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
        return ", near: int, furthest: int" if self.kind == "buckets" else ""

    @property
    def passed(self) -> str:
        """The same, passed on."""
        return ", near, furthest" if self.kind == "buckets" else ""


@dataclass(frozen=True)
class RelativeView:
    """A learned bias: the function that spreads its table over distances, and the call."""

    function: Distances
    both: bool
    distances: int
    arguments: str

    @property
    def drawn(self) -> str:
        """How many numbers a head has in the selftest."""
        count = f"min(TOKENS, {self.distances})"
        return f"2 * {count} - 1" if self.both else count

    @property
    def call(self) -> str:
        """The name of the function."""
        return self.function.name + ("_both" if self.both else "")


def places(site: Site) -> tuple[str, ...]:
    """The expressions for where the queries of a causal attention stand."""
    starts = "step.starts" if site.decodes else "None"
    return ("step.start", starts, *(["step.opens"] if site.packs else []))


class Calling(Protocol):
    """A view of a module that calls one of these functions."""

    @property
    def function(self) -> Attend:
        """The function that it calls."""
        ...

    @property
    def prefix_lm(self) -> bool:
        """Whether the first tokens of a text see each other both ways."""
        ...

    @property
    def relative(self) -> RelativeView | None:
        """A learned bias for each distance, where there is one."""
        ...

    @property
    def kernel(self) -> KernelView | None:
        """The kernels for its shape, where there are such."""
        ...


def shared(views: Sequence[Calling]) -> dict[str, Any]:
    """The functions that all attention classes call, each once."""
    functions = list(dict.fromkeys(v.function for v in views))
    cores = list(dict.fromkeys(f.inner for f in functions if f.kind in _LOOK_BACK))
    prefixed = [v.function for v in views if v.prefix_lm]
    biased = [v.relative for v in views if v.relative]
    called = {f.name for f in functions} | {f.both_ways for f in prefixed}
    return {
        "functions": functions,
        "cores": cores,
        "in_blocks": any(f.kind in ("sliding", "chunked") for f in functions),
        "picking": any(f.kind == "block_sparse" for f in functions),
        "sloping": any(f.core_view.alibi for f in functions),
        "any_causal": any(f.kind in (*_LOOK_BACK, "relative") for f in functions),
        "prefixed": list({f.both_ways: f for f in prefixed}.values()),
        "distances": list(dict.fromkeys(bias.function for bias in biased)),
        "both_sides": {bias.function for bias in biased if bias.both},
        "attend_names": sorted(called | {bias.call for bias in biased}),
    }


ATTEND = SharedFile(
    "attend.py",
    "mechanisms/mixers/attention/templates/attend.py.jinja",
    "softmax attention over ready queries and keys",
    context=shared,
)


_LOOK_BACK = ("causal", "sliding", "chunked", "block_sparse")
