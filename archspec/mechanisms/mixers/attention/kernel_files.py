"""The files of attention's kernels in a package: what their templates see, and what they name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar

from archspec.codegen.files import SharedFile
from archspec.mechanisms.mixers.attention.additions import Additions
from archspec.mechanisms.mixers.attention.heads import Heads
from archspec.mechanisms.mixers.attention.kernels import KernelView
from archspec.mechanisms.mixers.attention.tiles import TARGETS


def called(views: Sequence[Computing]) -> dict[str, Any]:
    """By which name a module calls its kernels."""
    return {"kernel_names": kernel_names([v.kernel for v in views if v.kernel])}


OPERATORS = SharedFile(
    "attention_operators.py",
    "templates/kernels/attention_operators.py.jinja",
    "softmax attention in kernels, as operators with gradients",
    needed="kernel",
    names=called,
)
KERNEL_FILES = (
    OPERATORS,
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

BLOCKS = [
    "stripe   the first block of a stripe behind those at the start; all later blocks see it",
    "border   the first block that is local to a row of the tile; `far`, how many are seen before",
    "number   of a key, counted over the blocks that are seen alone",
    "always   whether all later rows see a block; `until`, one after the last that sees a key",
    "older, newer",
    "         the blocks of the first and the last key of a tile; with _end, where rows that see",
    "         them end",
]
"""What is to be explained where a token sees some blocks of a text alone."""


@dataclass(frozen=True)
class Beside:
    """The tensors that some kinds of a package's attention have beside queries, keys and values."""

    sinks: bool
    slopes: bool
    relative: bool = False
    gate: bool = False

    @property
    def names(self) -> list[str]:
        """Their names."""
        return ["sinks"] * self.sinks + self._in_scores + ["gate"] * self.gate

    @property
    def _in_scores(self) -> list[str]:
        return ["slopes"] * self.slopes + ["relative"] * self.relative

    def place(self, name: str) -> int:
        """Which of an operator's tensors has that name: queries, keys and values come first."""
        return 3 + self.names.index(name)

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
        return f"*given({', '.join(self._in_scores)}), " if self._in_scores else ""

    @property
    def joining(self) -> str:
        """Those that join a softmax whose scores are ready, or what it gives."""
        names = ["sinks"] * self.sinks + ["gate"] * self.gate
        return f"*given({', '.join(names)}), " if names else ""

    @property
    def all_sinks(self) -> str:
        """The tensors that a Gluon kernel takes, which knows no slopes."""
        return "given(sinks)" if self.sinks else "[]"

    @property
    def gradient(self) -> str:
        """What the backward pass gives beside dq, dk and dv."""
        sinks = ", _sinks_gradient(sinks, lse, delta)" if self.sinks else ""
        return sinks + ", drelative" * self.relative + ", dgate" * self.gate

    @property
    def learning(self) -> list[str]:
        """Those that have a gradient."""
        return [name for name in self.names if name != "slopes"]

    @property
    def learned(self) -> str:
        """The names of their gradients."""
        return "".join(f", d{name}" for name in self.learning)

    @property
    def fake_gradient(self) -> str:
        """The same by its shape alone."""
        text = ", q.new_empty(0) if {0} is None else torch.empty_like({0})"
        return "".join(text.format(name) for name in self.learning)

    @property
    def gradients(self) -> str:
        """Their gradients in the order of the parameters."""
        found = ("None" if name == "slopes" else f"d{name}" for name in self.names)
        return "".join(f"{name}, " for name in found)

    @property
    def gradient_types(self) -> str:
        """The types of what the backward pass gives."""
        return ", ".join(["Tensor"] * (3 + len(self.learning)))

    def of(self, kind: KernelView) -> str:
        """What a kind passes."""
        own = {"sinks": kind.sinks, "slopes": kind.slopes}
        own |= {"relative": kind.related, "gate": kind.gate}
        passed = {name: f"{name}.contiguous()" for name in ("relative", "gate")}
        found = (passed.get(name, name) if own[name] else "None" for name in self.names)
        return "".join(f"{name}, " for name in found)


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
    beside = Beside(
        sinks=any(k.sinks for k in names),
        slopes=any(k.slopes for k in names),
        relative=any(k.related for k in names),
        gate=any(k.gate for k in names),
    )
    learned = tuple((name, beside.place(name)) for name in beside.learning)
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
        "patterned": any(kernel.blocks for kernel in names),
        "seen": "seen" if any(shape.blocks for shape in decodes) else "keys",
        "targets": TARGETS,
        "beside": beside,
        "beside_in_pages": replace(beside, relative=False, gate=False),
        "more": Additions(beside.relative, beside.gate, learned),
        "activations": {k.gate.activation for k in names if k.gate},
        "gating": any(kernel.gate for kernel in paged),
        "slabs": ", KERNELS[kind].slabs" if any(kernel.slabs > 1 for kernel in names) else "",
        "wide": any(len(kernel.by_key) > 1 for kernel in names),
        "capping": any(kernel.softcap for kernel in names),
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
    if any(not kernel.real_rows for kernel in kernels):
        lines += [
            "bounds   (B, 2, T), None where a row is one text: the slots where the text of each",
            "         token opens and where it closes; padding is a text of its own",
        ]
    if any(kernel.real_rows for kernel in kernels):
        slots = "the slot where a text opens, and the one where it closes"
        beside = (
            "         and (B, 2) where it sees every key, or blocks: those of the one real text"
        )
        lines += [beside if lines else f"bounds   (B, 2), None without padding: {slots}"]
    if any(len(kernel.key_parts + kernel.value_parts) > 2 for kernel in kernels):
        lines += ["x_64     the part of x with so many columns, where no power of two is as wide"]
    if any(kernel.slabs > 1 for kernel in kernels):
        lines += ["x_own    the columns of x that a program sums, where x is too wide for one"]
    if any(kernel.chunk for kernel in kernels):
        lines += ["phase    how far into its chunk the first key stands"]
    if any(kernel.related for kernel in kernels):
        lines += [
            "furthest",
            "         the distance from which on all have one bias: `behind` for keys so far back,",
            "         `ahead` for keys so far ahead; every bias is counted from `behind`",
            "biases   where those of the head of a row stand, that of no distance first",
        ]
    if any(kernel.gate for kernel in kernels):
        lines += [
            "gate     (B, T, H · E) or (B, T, H): `opened`, f(gate), multiplies the output",
            "plain    the output before that",
        ]
    if any(kernel.blocks for kernel in kernels):
        lines += BLOCKS
    if any(kernel.prefix for kernel in kernels):
        lines += [
            "prefix   so many tokens at the start of a text see each other both ways",
            "reach    one after those of a row's text",
        ]
    return lines


def _even(kernels: list[KernelView]) -> str:
    """How the names of arguments end that 16 divides: pointers, and strides of such heads."""
    widths = {width % 16 for kernel in kernels for width in (kernel.head_dim, kernel.value_dim)}
    ends = ["_ptr"] + (["_batch", "_page", "_head", "_token"] if widths == {0} else [])
    return ", ".join(f'"{end}"' for end in ends) + ("," if len(ends) == 1 else "")


Shape = TypeVar("Shape", bound=Heads)


def kernel_names(kernels: Sequence[KernelView]) -> dict[KernelView, str]:
    """A name for each: what it sees, and of that only what tells it from the others."""
    alike: dict[str, list[KernelView]] = {}
    for kernel in dict.fromkeys(kernels):
        decodes = any(other.decodes for other in kernels if other == kernel)
        alike.setdefault(kernel.kind, []).append(replace(kernel, decodes=decodes))
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
    lambda k: f"_{k.heads}x{k.head_dim}" + ("_blocks" if k.blocks else ""),
    lambda k: f"_{k.heads}x{k.head_dim}_{k.kv_heads}x{k.value_dim}",
    lambda k: f"_{k.heads}x{k.head_dim}" + "_relative" * bool(k.relative) + "_gated" * bool(k.gate),
)
_LABELS: tuple[Callable[[KernelView], str], ...] = (
    lambda k: "",
    lambda k: "_gated" * bool(k.gate),
    lambda k: f"_{k.reach}",
    *_LABELS_OF_HEADS,
)
