"""Which class a norm becomes: PyTorch's own where it says the same and is fast on a CPU."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from archspec.codegen.files import File
from archspec.codegen.tiles import RowTiles, row_tiles
from archspec.spec.norm import Norm

NORM_FILES = (
    File(
        "norm.py",
        "templates/package/norm.py.jinja",
        "norms that PyTorch lacks, or computes slowly on a CPU",
        "norms",
    ),
    File(
        "kernels/norm.py",
        "templates/kernels/norm/norm.py.jinja",
        "RMSNorm as Triton kernels",
        "norm_tiles",
        ahead="templates/kernels/norm/ahead.jinja",
    ),
)

OWN = {
    "rmsnorm": "RMSNorm",
    "centered_rmsnorm": "CenteredRMSNorm",
    "centered_layernorm": "CenteredLayerNorm",
    "l2norm": "L2Norm",
    "head_rmsnorm": "HeadRMSNorm",
    "head_l2norm": "HeadL2Norm",
    "head_layernorm": "HeadLayerNorm",
}
"""Norms that are written out, each from a template of its name, and what they are called."""

IN_KERNELS = ("rmsnorm", "centered_rmsnorm")
"""Those of them that have kernels of their own."""


@dataclass(frozen=True)
class Written:
    """The norms that a package writes out: the widths of each by its key in `OWN`."""

    widths: defaultdict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    adding: set[str] = field(default_factory=set[str])
    """Those that some layer calls with a sum to make first."""

    def remember(self, norm: Norm, width: int, heads: int | None = None) -> None:
        """Note a norm of the package; nothing where PyTorch's class is as good."""
        if own := own_class(norm, heads):
            self.widths[own].add(width)

    def adds(self, norm: Norm) -> bool:
        """Whether kernels make the sum that such a norm reads; remembers it."""
        own = own_class(norm)
        if own not in IN_KERNELS:
            return False
        self.adding.add(own)
        return True

    @property
    def context(self) -> dict[str, object]:
        """What the templates of norms and of their kernels see."""
        return {
            "norms": [kind for kind in OWN if kind in self.widths],
            "norm_tiles": self.tiles,
            "norm_adding": self.adding,
            "norm_kinds": " | ".join(self.in_kernels),
            "norm_classes": ", ".join(self.in_kernels),
            "own_norms": ", ".join(OWN.values()),
        }

    @property
    def in_kernels(self) -> list[str]:
        """The classes that have kernels."""
        return [OWN[kind] for kind in IN_KERNELS if kind in self.widths]

    @property
    def tiles(self) -> list[RowTiles]:
        """How the kernels cut rows of each width."""
        widths = {width for kind in IN_KERNELS for width in self.widths.get(kind, ())}
        return [row_tiles(width) for width in sorted(widths)]


def constructor(norm: Norm, width: int, heads: int | None = None) -> str:
    """The expression that makes a norm over `width` numbers, or over each of `heads` heads."""
    own = own_class(norm, heads)
    options = [f"eps={norm.eps!r}"]
    if own == "l2norm":
        options += [*_affine(norm), *(["center=1.0"] if norm.zero_centered else [])]
        return f"L2Norm({', '.join([str(width), *options])})"
    if own:
        sizes = [str(width)] if heads is None else [str(heads), str(width)]
        options += ["bias=False"] if norm.type == "layernorm" and not norm.bias else []
        options += ["center=1.0"] if heads is not None and norm.zero_centered else []
        return f"{OWN[own]}({', '.join([*sizes, *options])})"
    options += _affine(norm)
    if norm.type == "layernorm" and norm.weight and not norm.bias:
        options.append("bias=False")
    name = "RMSNorm" if norm.type == "rmsnorm" else "LayerNorm"
    return f"nn.{name}({', '.join([str(width), *options])})"


def own_class(norm: Norm, heads: int | None = None) -> str | None:
    """The key in `OWN` of a norm to write out; none where PyTorch's class is as good."""
    if heads is not None:
        return f"head_{norm.type}"
    if norm.type == "l2norm":
        return "l2norm"
    if norm.zero_centered:
        return f"centered_{norm.type}"
    return "rmsnorm" if norm.type == "rmsnorm" and norm.weight else None


def _affine(norm: Norm) -> list[str]:
    return [] if norm.weight else ["elementwise_affine=False"]
