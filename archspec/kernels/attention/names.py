"""How the kernels of a package are called."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from archspec.kernels.attention.heads import Heads
from archspec.kernels.attention.view import KernelView


class Computing(Protocol):
    """A view of a module that kernels may compute."""

    @property
    def kernel(self) -> KernelView | None:
        """The kernels for it, where there are such."""
        ...


def kinds(views: Sequence[Computing]) -> dict[str, list[KernelView]]:
    """The kernels of each kind, one set for each pair of widths.

    One text serves all calls that differ in a number alone: it shares keys where any call does, and
    goes over tiles that are seen whole where any window has such.
    """
    found: dict[str, list[KernelView]] = {}
    for view in views:
        if view.kernel:
            found.setdefault(view.kernel.kind, []).append(view.kernel)
    return {kind: _merged(those) for kind, those in found.items()}


def _merged(those: list[KernelView]) -> list[KernelView]:
    decodes = any(kernel.decodes for kernel in those)
    found: list[KernelView] = []
    for kernel in dict.fromkeys(those):
        alike = [other for other in those if other == kernel]
        narrow = all(other.narrow for other in alike)
        merged = replace(kernel, narrow=narrow, decodes=decodes, **_largest(alike))
        found.append(merged)
    return found


def _largest(alike: Sequence[Heads]) -> dict[str, int]:
    """What a set of kernels for all of them is cut for."""
    return {
        "group": max(other.group for other in alike),
        "block": min(other.block for other in alike),
    }


def kernel_names(found: dict[str, list[KernelView]]) -> dict[KernelView, str]:
    """A name for each: its kind, with the widths where a kind has several."""
    return {
        kernel: f"{kind}_{kernel.head_dim}x{kernel.value_dim}" if len(those) > 1 else kind
        for kind, those in found.items()
        for kernel in those
    }


def shape_names(kernels: Sequence[KernelView]) -> dict[Heads, str]:
    """A name for the heads of each that decodes: widths, and what tells them from plain ones."""
    those = [kernel.shape for kernel in kernels if kernel.decodes]
    merged = {
        shape: replace(shape, **_largest([other for other in those if other == shape]))
        for shape in those
    }
    return {
        shape: "_".join([f"{shape.head_dim}x{shape.value_dim}", *shape.features])
        for shape in merged.values()
    }
