"""Which norms a plain file has: PyTorch's own under a short name, others written out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from archspec.codegen.plain.facts import number
from archspec.codegen.plain.words import doc
from archspec.spec.norm import Norm

_NAMES = {"rmsnorm": "RMSNorm", "layernorm": "LayerNorm", "l2norm": "L2Norm"}


@dataclass(frozen=True)
class PlainNorm:
    """One class of norm; without `eps` the calls say it, as they differ in it."""

    type: str
    weight: bool
    centered: bool
    bias: bool
    each_head: bool
    eps: float | None
    name: str = ""

    @property
    def template(self) -> str:
        """The template of its class."""
        if self.each_head:
            kind = "each_head"
        elif self.type == "l2norm":
            kind = "l2norm"
        else:
            kind = "centered" if self.centered else "own"
        return f"templates/plain/norm_{kind}.py.jinja"

    @property
    def formula(self) -> str:
        """What it computes: `x / sqrt(mean x² + 1e-6) · w`."""
        eps = "eps" if self.eps is None else number(self.eps)
        inner = {
            "rmsnorm": f"x / sqrt(mean x² + {eps})",
            "layernorm": f"(x - mean x) / sqrt(var x + {eps})",
            "l2norm": f"x / sqrt(Σ x² + {eps})",
        }[self.type]
        scaled = " · (1 + w)" if self.centered else " · w" if self.weight else ""
        return inner + scaled + (" + b" if self.bias else "")

    @property
    def doc(self) -> str:
        """The docstring of its class."""
        heads = " over each head of (B, H, T, D), which has its own weights"
        return doc(f"{self.formula}{heads if self.each_head else ', in float32'}.")

    @property
    def function(self) -> str:
        """The class of PyTorch that computes it."""
        return f"nn.{_NAMES[self.type]}"

    @property
    def options(self) -> str:
        """What that class is told beside the width: `, eps=1e-06`."""
        found = [] if self.eps is None else [f"eps={number(self.eps)}"]
        found += ["elementwise_affine=False"] if not self.weight else []
        found += (
            ["bias=False"] if self.type == "layernorm" and self.weight and not self.bias else []
        )
        return "".join(f", {option}" for option in found)

    @property
    def start(self) -> str:
        """The function that makes its first weight."""
        return "torch.zeros" if self.centered else "torch.ones"

    @property
    def parameter(self) -> str:
        """The parameter of its class for what differs."""
        return ", eps: float" if self.eps is None else ""

    @property
    def epsilon(self) -> str:
        """The expression for what is added below the root."""
        return "self.eps" if self.eps is None else number(self.eps)

    @property
    def scale(self) -> str:
        """The expression for what multiplies it."""
        return "1 + wide(self.weight)" if self.centered else "self.weight"


class Norms:
    """The norms of one file: a first pass over what has norms finds them, a second names them."""

    def __init__(self, found: Iterable[PlainNorm] = ()):
        """With those that a first pass `found`."""
        self.found: dict[PlainNorm, None] = {}
        self.classes = _named(found)

    def made(self, norm: Norm, width: str, heads: str | None = None) -> str:
        """The expression that makes a norm over `width` numbers, or over each of `heads` heads."""
        own = PlainNorm(
            norm.type or "",
            bool(norm.weight),
            bool(norm.zero_centered),
            bool(norm.bias),
            heads is not None,
            norm.eps,
        )
        self.found[own] = None
        cls = self.classes.get(own)
        if cls is None:
            return "nn.Identity()"
        sizes = width if heads is None else f"{heads}, {width}"
        return f"{cls.name}({sizes}{f', eps={number(norm.eps)}' if cls.eps is None else ''})"


def _named(found: Iterable[PlainNorm]) -> dict[PlainNorm, PlainNorm]:
    """The class of each norm; those that differ in `eps` alone have one."""
    by_kind: dict[PlainNorm, list[PlainNorm]] = {}
    for norm in found:
        by_kind.setdefault(replace(norm, eps=None), []).append(norm)
    classes: dict[PlainNorm, PlainNorm] = {}
    for kind, alike in by_kind.items():
        like = [other for other in by_kind if other.type == kind.type]
        name = _NAMES[kind.type]
        if len(like) > 1:
            name = f"{_prefix(kind, like)}{name}"
        eps = alike[0].eps if len(alike) == 1 else None
        cls = replace(kind, eps=eps, name=name)
        classes |= dict.fromkeys(alike, cls)
    return classes


def _prefix(kind: PlainNorm, like: list[PlainNorm]) -> str:
    """What tells a class from the others of its type."""
    words = [
        ("Head", kind.each_head, {other.each_head for other in like}),
        ("Centered", kind.centered, {other.centered for other in like}),
        ("Bare", not kind.weight, {other.weight for other in like}),
        ("Unbiased", kind.weight and not kind.bias, {other.bias for other in like if other.weight}),
    ]
    return "".join(word for word, there, seen in words if there and len(seen) > 1)
