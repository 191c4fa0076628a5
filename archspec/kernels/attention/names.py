"""How the kernels of a package are called."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Protocol, TypeVar

from archspec.kernels.attention.heads import Heads
from archspec.kernels.attention.view import KernelView

Shape = TypeVar("Shape", bound=Heads)


class Computing(Protocol):
    """A view of a module that kernels may compute."""

    @property
    def kernel(self) -> KernelView | None:
        """The kernels for it, where there are such."""
        ...


def called(views: Sequence[Computing]) -> dict[str, Any]:
    """By which name a module calls its kernels."""
    return {"kernel_names": kernel_names([v.kernel for v in views if v.kernel])}


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
