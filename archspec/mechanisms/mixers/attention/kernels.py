"""What the templates of attention's kernels see: one set of kernels for each shape of attention."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from archspec.codegen.site import SharedFile
from archspec.mechanisms.mixers.attention.ranges import Ranges, key_ranges, row_ranges

ATTENTION_KERNELS = SharedFile(
    "attention_kernels.py",
    "templates/kernels/attention_kernels.py.jinja",
    "softmax attention as Triton kernels",
    needed="kernel",
    kernels=True,
)

NARROW = 128
"""Up to this window or chunk hardly a tile is seen whole: one loop with a mask reads them all."""


@dataclass(frozen=True)
class Part:
    """Columns of a head that are read together: `size`, a power of two, of which `width` exist."""

    first: int
    width: int
    size: int
    suffix: str

    @property
    def masked(self) -> bool:
        """Whether some of its columns do not exist."""
        return self.width < self.size


@dataclass(frozen=True)
class Tiles:
    """How a kernel cuts its work: rows of queries, keys, and what a program runs on."""

    rows: int
    keys: int
    warps: int
    stages: int


@dataclass(frozen=True)
class KernelView:
    """The kernels for one shape of attention: its heads, what a query sees, what joins a score."""

    kind: str
    heads: int
    kv_heads: int
    head_dim: int
    value_dim: int
    causal: bool
    window: int | None
    chunk: int | None
    scale: float
    softcap: float | None
    sinks: bool
    slopes: bool

    @property
    def group(self) -> int:
        """Query heads that share a key-value head."""
        return self.heads // self.kv_heads

    @property
    def key_parts(self) -> tuple[Part, ...]:
        """How a query or key is cut."""
        return parts(self.head_dim)

    @property
    def value_parts(self) -> tuple[Part, ...]:
        """How a value is cut."""
        return parts(self.value_dim)

    @property
    def reach(self) -> int | None:
        """The window or chunk."""
        return self.window or self.chunk

    @property
    def narrow(self) -> bool:
        """Whether it sees so little that every tile has a mask."""
        return self.reach is not None and self.reach <= NARROW

    @property
    def by_keys(self) -> Ranges:
        """The loops over the keys of a tile of rows."""
        return key_ranges(self.causal, self.window, self.chunk, self.narrow, self.group)

    @property
    def by_rows(self) -> Ranges:
        """The loops over the rows that see a tile of keys."""
        return row_ranges(self.causal, self.window, self.chunk, self.narrow, self.group)

    @property
    def times(self) -> str:
        """What a count of tokens is multiplied by for a count of rows."""
        return f" * {self.group}" if self.group > 1 else ""

    @property
    def query_head(self) -> str:
        """The query head of a row."""
        return f"head * {self.group} + member" if self.group > 1 else "head"

    @property
    def e(self) -> str:
        """The name of the columns of values."""
        return "d" if self.value_dim == self.head_dim else "e"

    @property
    def extra(self) -> str:
        """Pointers beside queries, keys and values."""
        return "sinks_ptr, " if self.sinks else "slopes_ptr, " if self.slopes else ""

    @property
    def counts(self) -> str:
        """Arguments that change from call to call, which no binary depends on."""
        return str(self.count_names.split(", ")).replace("'", '"')

    @property
    def count_names(self) -> str:
        """The same as they stand in a kernel's arguments."""
        return "tokens, keys, phase" if self.chunk else "tokens, keys"

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
        if self.window:
            return f"a token sees the last {self.window:,}"
        return (
            f"a token sees its chunk of {self.chunk:,}"
            if self.chunk
            else "a token sees all before it"
        )

    @property
    def tensors(self) -> list[str]:
        """Tensors beside queries, keys and values."""
        return ["sinks"] * self.sinks + ["slopes"] * self.slopes

    @property
    def tensors_typed(self) -> list[str]:
        """The same as parameters."""
        return [f", {name}: Tensor" for name in self.tensors]

    @property
    def tensors_passed(self) -> list[str]:
        """The same as arguments."""
        return [f", {name}" for name in self.tensors]

    @property
    def gradients(self) -> list[str]:
        """What the backward pass gives."""
        return ["dq", "dk", "dv", *(["dsinks"] if self.sinks else [])]

    @property
    def fake_gradients(self) -> list[str]:
        """The same by their shapes alone."""
        found = [f"_empty(q, {self.head_dim})", f"_empty(k, {self.head_dim})"]
        found.append(f"_empty(v, {self.value_dim})")
        return found + (["torch.empty_like(sinks)"] if self.sinks else [])

    @property
    def plain(self) -> bool:
        """Whether a score is a product and nothing else, so that its factor joins the softmax."""
        return self.softcap is None and not self.slopes

    @property
    def to_bits(self) -> float:
        """What products become scores with, as exponents of two."""
        return self.scale * math.log2(math.e)

    @property
    def forward(self) -> Tiles:
        """The tiles of the forward pass."""
        return _FORWARD[_class(self.head_dim, self.value_dim)]

    @property
    def backward_queries(self) -> Tiles:
        """The tiles of the gradients of queries."""
        return _BACKWARD_QUERIES[_class(self.head_dim, self.value_dim)]

    @property
    def backward_keys(self) -> Tiles:
        """The tiles of the gradients of keys and values."""
        return _BACKWARD_KEYS[_class(self.head_dim, self.value_dim)]

    @property
    def decode(self) -> Tiles:
        """The tiles for one new token: its heads in a group are the rows."""
        rows = max(16, min(64, 1 << (self.group - 1).bit_length()))
        wide = max(self.head_dim, self.value_dim) > 128
        return Tiles(rows, 32 if wide else 64, 4, 3)


def parts(width: int) -> tuple[Part, ...]:
    """One power of two or two of them, so that as little as possible is read beyond `width`.

    A matrix unit takes 16 columns at least: 192 is 128 + 64, 80 is 64 + 16, 12 is 16 with a mask.
    """
    first = max(16, 1 << (width.bit_length() - 1))
    rest = max(16, 1 << (width - first - 1).bit_length()) if width > first else 0
    if rest == 0 or rest == first:
        return (Part(0, width, first + rest, ""),)
    return (
        Part(0, first, first, f"_{first}"),
        Part(first, width - first, rest, f"_{rest}"),
    )


def _class(head_dim: int, value_dim: int) -> int:
    """The first width in the tables that has room for both."""
    return next((w for w in _FORWARD if max(head_dim, value_dim) <= w), 512)


# By the width of a head. Chosen by what compiling ahead of time says (registers, spills, shared
# memory on sm_90) and by the sizes that fast kernels have there; no GPU has timed them yet.
_FORWARD = {
    64: Tiles(128, 128, 8, 2),
    128: Tiles(128, 64, 8, 3),
    192: Tiles(128, 64, 8, 2),
    256: Tiles(128, 32, 8, 2),
    512: Tiles(64, 32, 4, 1),
}
_BACKWARD_QUERIES = {
    64: Tiles(128, 64, 8, 2),
    128: Tiles(128, 64, 8, 2),
    192: Tiles(64, 64, 4, 2),
    256: Tiles(64, 32, 8, 2),
    512: Tiles(32, 32, 4, 1),
}
_BACKWARD_KEYS = {
    64: Tiles(64, 128, 8, 2),
    128: Tiles(32, 128, 8, 2),
    192: Tiles(32, 64, 8, 2),
    256: Tiles(16, 64, 8, 2),
    512: Tiles(16, 32, 8, 1),
}


class Computing(Protocol):
    """A view of a module that kernels may compute."""

    @property
    def kernel(self) -> KernelView | None:
        """The kernels for it, where there are such."""
        ...


def kernel_context(views: Sequence[Computing]) -> dict[str, Any]:
    """What the file of kernels sees, and the names by which modules call them."""
    names = kernel_names([v.kernel for v in views if v.kernel])
    return {
        "kernels": [(name, kernel) for kernel, name in names.items()],
        "kernel_names": names,
        "capping": any(kernel.softcap for kernel in names),
        "chunked": any(kernel.chunk for kernel in names),
        "decoding": any(kernel.causal for kernel in names),
        "parted": any(len(kernel.key_parts + kernel.value_parts) > 2 for kernel in names),
        "even": _even(list(names)),
    }


def _even(kernels: list[KernelView]) -> str:
    """How the names of arguments end that 16 divides: pointers, and strides of such heads."""
    widths = {width % 16 for kernel in kernels for width in (kernel.head_dim, kernel.value_dim)}
    ends = ["_ptr"] + (["_batch", "_head", "_token"] if widths == {0} else [])
    return ", ".join(f'"{end}"' for end in ends) + ("," if len(ends) == 1 else "")


def kernel_names(kernels: Sequence[KernelView]) -> dict[KernelView, str]:
    """A name for each: what it sees, and of that only what tells it from the others."""
    alike: dict[str, list[KernelView]] = {}
    for kernel in dict.fromkeys(kernels):
        alike.setdefault(kernel.kind, []).append(kernel)
    return {
        kernel: kind + label
        for kind, those in alike.items()
        for kernel, label in zip(those, _labels(those), strict=True)
    }


def _labels(kernels: list[KernelView]) -> list[str]:
    """The first kind of label that tells them apart."""
    for label in _LABELS:
        found = [label(kernel) for kernel in kernels]
        if len(set(found)) == len(kernels):
            return found
    return [f"_{number}" for number in range(1, len(kernels) + 1)]


_LABELS: tuple[Callable[[KernelView], str], ...] = (
    lambda k: "",
    lambda k: f"_{k.reach}",
    lambda k: f"_{k.heads}x{k.head_dim}",
    lambda k: f"_{k.heads}x{k.head_dim}_{k.kv_heads}x{k.value_dim}",
)
