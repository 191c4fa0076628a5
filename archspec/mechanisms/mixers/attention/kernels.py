"""What the templates of attention's kernels see: one set of kernels for each shape of attention."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Protocol, TypeVar

from archspec.codegen.site import SharedFile
from archspec.mechanisms.mixers.attention.heads import Heads
from archspec.mechanisms.mixers.attention.ranges import Ranges, View, key_ranges, row_ranges
from archspec.mechanisms.mixers.attention.tiles import TARGETS, Tiles, tiles

KERNEL_FILES = (
    SharedFile(
        "attention_operators.py",
        "templates/kernels/attention_operators.py.jinja",
        "softmax attention in kernels, as operators with gradients",
        needed="kernel",
    ),
    SharedFile(
        "attention_kernels.py",
        "templates/kernels/attention_kernels.py.jinja",
        "softmax attention as Triton kernels",
        needed="kernel",
        kernels=True,
    ),
    SharedFile(
        "decode_kernels.py",
        "templates/kernels/decode_kernels.py.jinja",
        "the same for one new token",
        needed="decode_kernel",
        kernels=True,
    ),
    SharedFile(
        "paged.py",
        "templates/kernels/paged.py.jinja",
        "attention to keys in pages, for servers",
        needed="paged_kernel",
    ),
    SharedFile(
        "paged_kernels.py",
        "templates/kernels/paged_kernels.py.jinja",
        "the same as Triton kernels",
        needed="paged_kernel",
        kernels=True,
    ),
)

NARROW = 128
"""Up to this window or chunk hardly a tile is seen whole: one loop with a mask reads them all."""


WIDE = 192
"""Up to this width a program has room for the gradients of a tile's keys and of its values."""


@dataclass(frozen=True)
class Gradients:
    """A kernel of the backward pass that sums over rows: its name, and what it gives."""

    name: str
    formula: str
    dk: bool
    dv: bool


@dataclass(frozen=True)
class KernelView(Heads):
    """The kernels for one shape of attention: its heads, and what a query sees."""

    kind: str
    causal: bool
    window: int | None
    chunk: int | None
    prefix: bool
    decodes: bool
    """Whether a call may bring a single new token."""

    @property
    def shape(self) -> Heads:
        """Its heads alone."""
        return Heads(**{field.name: getattr(self, field.name) for field in fields(Heads)})

    @property
    def reach(self) -> int | None:
        """The window or chunk."""
        return self.window or self.chunk

    @property
    def _view(self) -> View:
        narrow = self.reach is not None and self.reach <= NARROW
        return View(self.causal, self.window, self.chunk, self.prefix, narrow, self.group)

    @property
    def by_keys(self) -> Ranges:
        """The loops over the keys of a tile of rows."""
        return key_ranges(self._view)

    @property
    def paged(self) -> bool:
        """Whether its keys may lie in pages."""
        return self.causal and self.decodes and not self.prefix

    @property
    def in_pages(self) -> Ranges:
        """The loops over keys in pages."""
        return key_ranges(replace(self._view, padded=False))

    @property
    def plain_arguments(self) -> str:
        """How PyTorch's operators compute it for keys in pages."""
        parts = [repr(self.scale)]
        for name in ("window", "chunk", "softcap"):
            value = getattr(self, name)
            parts += [f"{name}={value!r}"] if value else []
        parts += ["sinks=sinks"] * self.sinks + ["slopes=slopes"] * self.slopes
        return ", ".join(parts)

    @property
    def by_rows(self) -> Ranges:
        """The loops over the rows that see a tile of keys."""
        return row_ranges(self._view)

    @property
    def times(self) -> str:
        """What a count of tokens is multiplied by for a count of rows."""
        return self._view.times

    @property
    def query_head(self) -> str:
        """The query head of a row."""
        return f"head * {self.group} + member" if self.group > 1 else "head"

    @property
    def slot(self) -> str:
        """The place of a row's token among the keys."""
        return "earlier + token" if self.group > 1 else "earlier + row"

    @property
    def extra(self) -> str:
        """Pointers beside queries, keys and values."""
        return "sinks_ptr, " if self.sinks else "slopes_ptr, " if self.slopes else ""

    @property
    def counted(self) -> str:
        """The number of a call that only this kind has, where there is one."""
        return "phase" if self.chunk else "prefix" if self.prefix else ""

    @property
    def count_names(self) -> str:
        """Arguments that change from call to call, which no binary depends on."""
        return f"tokens, keys, {self.counted}" if self.counted else "tokens, keys"

    @property
    def counts(self) -> str:
        """The same as a list of names."""
        return str(self.count_names.split(", ")).replace("'", '"')

    @property
    def formula(self) -> str:
        """The scores, in words of the docstrings."""
        product = f"q kᵀ · {self.scale:.4g}"
        if self.softcap:
            product = f"{self.softcap:g} tanh({product} / {self.softcap:g})"
        product += " − slope · distance" if self.slopes else ""
        return f"{product}, sinks" if self.sinks else product

    @property
    def sees(self) -> str:
        """What a token sees."""
        if not self.causal:
            return "a token sees every key"
        end = ", and those of the prefix each other" if self.prefix else ""
        if self.window:
            return f"a token sees the last {self.window:,}{end}"
        what = f"its chunk of {self.chunk:,}" if self.chunk else "all before it"
        return f"a token sees {what}{end}"

    @property
    def tensors_typed(self) -> str:
        """Tensors beside queries, keys and values, as parameters."""
        return "sinks: Tensor, " if self.sinks else "slopes: Tensor, " if self.slopes else ""

    def forward(self, target: str) -> Tiles:
        """The tiles of the forward pass."""
        return tiles("forward", target, self.head_dim, self.value_dim)

    def backward_queries(self, target: str) -> Tiles:
        """The tiles of the gradients of queries."""
        return tiles("backward_queries", target, self.head_dim, self.value_dim)

    @property
    def by_key(self) -> tuple[Gradients, ...]:
        """What goes over the rows that see a key: wide heads leave room for one sum at a time."""
        dk = f"dk = Σ ds q · {self.scale:.4g}"
        if max(self.head_dim, self.value_dim) <= WIDE:
            return (Gradients("keys", f"dv = Σ p dout and {dk}", dk=True, dv=True),)
        values = Gradients("values", "dv = Σ p dout", dk=False, dv=True)
        return (Gradients("keys", dk, dk=True, dv=False), values)

    def backward(self, target: str, gradients: Gradients) -> Tiles:
        """The tiles of the gradients of keys, of values, or of both."""
        return tiles(f"backward_{gradients.name}", target, self.head_dim, self.value_dim)


@dataclass(frozen=True)
class Beside:
    """The tensors that some kinds of a package's attention have beside queries, keys and values."""

    sinks: bool
    slopes: bool

    @property
    def names(self) -> list[str]:
        """Their names."""
        return ["sinks"] * self.sinks + ["slopes"] * self.slopes

    @property
    def any(self) -> bool:
        """Whether there is any."""
        return bool(self.names)

    @property
    def typed(self) -> str:
        """As parameters."""
        return "".join(f"{name}: Tensor | None, " for name in self.names)

    @property
    def passed(self) -> str:
        """As arguments."""
        return "".join(f"{name}, " for name in self.names)

    @property
    def given(self) -> str:
        """As arguments of a kernel, which has those of its own kind."""
        return f"*given({', '.join(self.names)}), " if self.names else ""

    @property
    def in_scores(self) -> str:
        """Those that scores are made with."""
        return "*given(slopes), " if self.slopes else ""

    @property
    def joining(self) -> str:
        """Those that join a softmax whose scores are ready."""
        return "*given(sinks), " if self.sinks else ""

    @property
    def gradients(self) -> str:
        """Their gradients in the order of the parameters."""
        found = ["dsinks"] * self.sinks + ["None"] * self.slopes
        return "".join(f"{name}, " for name in found)

    @property
    def gradient_types(self) -> str:
        """The types of what the backward pass gives."""
        return ", ".join(["Tensor"] * (3 + self.sinks))

    def of(self, kind: KernelView) -> str:
        """What a kind passes."""
        own = {"sinks": kind.sinks, "slopes": kind.slopes}
        return "".join(f"{name if own[name] else 'None'}, " for name in self.names)


class Computing(Protocol):
    """A view of a module that kernels may compute."""

    @property
    def kernel(self) -> KernelView | None:
        """The kernels for it, where there are such."""
        ...


def kernel_context(views: Sequence[Computing]) -> dict[str, Any]:
    """What the files of kernels see, and the names by which modules call them."""
    names = kernel_names([v.kernel for v in views if v.kernel])
    decodes = shape_names([kernel.shape for kernel in names if kernel.decodes])
    paged = {kernel: name for kernel, name in names.items() if kernel.paged}
    paged_shapes = {kernel.shape for kernel in paged}
    return {
        "paged": [(name, kernel) for kernel, name in paged.items()],
        "paged_shapes": [(name, shape) for shape, name in decodes.items() if shape in paged_shapes],
        "paged_parameters": _paged_parameters(list(paged)),
        "windowing": any(kernel.window for kernel in paged),
        "chunking": any(kernel.chunk for kernel in paged),
        "kernels": [(name, kernel) for kernel, name in names.items()],
        "kernel_names": names,
        "decodes": [(name, shape) for shape, name in decodes.items()],
        "decode_names": decodes,
        "targets": TARGETS,
        "beside": Beside(any(k.sinks for k in names), any(k.slopes for k in names)),
        "wide": any(len(kernel.by_key) > 1 for kernel in names),
        "capping": any(kernel.softcap for kernel in names),
        "looking_back": any(kernel.causal for kernel in names),
        "looking_ahead": any(not kernel.causal for kernel in names),
        "prefixing": any(kernel.prefix for kernel in names),
        "legend": _legend(list(names)),
        "even": _even(list(names)),
    }


def _paged_parameters(kernels: list[KernelView]) -> str:
    """What the function for keys in pages takes after the scale."""
    types = {"window": "int", "chunk": "int", "softcap": "float"}
    types |= {"sinks": "Tensor", "slopes": "Tensor"}
    there = [name for name in types if any(getattr(kernel, name) for kernel in kernels)]
    return "".join(f", {name}: {types[name]} | None = None" for name in there)


def _legend(kernels: list[KernelView]) -> list[str]:
    """What only some packages have to explain."""
    lines: list[str] = []
    if any(len(kernel.key_parts + kernel.value_parts) > 2 for kernel in kernels):
        lines += [
            "x_64     the part of x with so many columns, where a head is not as wide as a power of two"
        ]
    if any(kernel.chunk for kernel in kernels):
        lines += ["phase    how far into its chunk the first key stands"]
    if any(kernel.prefix for kernel in kernels):
        lines += ["prefix   so many tokens at the start of a text see each other both ways"]
    return lines


def _even(kernels: list[KernelView]) -> str:
    """How the names of arguments end that 16 divides: pointers, and strides of such heads."""
    widths = {width % 16 for kernel in kernels for width in (kernel.head_dim, kernel.value_dim)}
    ends = ["_ptr"] + (["_batch", "_head", "_token"] if widths == {0} else [])
    return ", ".join(f'"{end}"' for end in ends) + ("," if len(ends) == 1 else "")


Shape = TypeVar("Shape", bound=Heads)


def kernel_names(kernels: Sequence[KernelView]) -> dict[KernelView, str]:
    """A name for each: what it sees, and of that only what tells it from the others."""
    alike: dict[str, list[KernelView]] = {}
    for kernel in dict.fromkeys(kernels):
        alike.setdefault(kernel.kind, []).append(kernel)
    return {
        kernel: kind + label
        for kind, those in alike.items()
        for kernel, label in zip(those, _labels(those, _LABELS), strict=True)
    }


def shape_names(shapes: Sequence[Heads]) -> dict[Heads, str]:
    """A name for each, of its heads."""
    found = list(dict.fromkeys(shapes))
    labels = _labels(found, _LABELS_OF_HEADS)
    return {shape: label.lstrip("_") for shape, label in zip(found, labels, strict=True)}


def _labels(found: list[Shape], labels: Sequence[Callable[[Shape], str]]) -> list[str]:
    """The first kind of label that tells them apart."""
    for label in labels:
        made = [label(one) for one in found]
        if len(set(made)) == len(found):
            return made
    return [f"_{number}" for number in range(1, len(found) + 1)]


_LABELS_OF_HEADS: tuple[Callable[[Heads], str], ...] = (
    lambda k: f"_{k.heads}x{k.head_dim}",
    lambda k: f"_{k.heads}x{k.head_dim}_{k.kv_heads}x{k.value_dim}",
)
_LABELS: tuple[Callable[[KernelView], str], ...] = (
    lambda k: "",
    lambda k: f"_{k.reach}",
    *_LABELS_OF_HEADS,
)
