"""The files of attention's kernels in a package, and what their templates see."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from archspec.codegen.files import SharedFile
from archspec.kernels.attention.additions import Additions
from archspec.kernels.attention.decode_gradients import OneToken
from archspec.kernels.attention.extra_tensors import Beside
from archspec.kernels.attention.hopper import hopper_context
from archspec.kernels.attention.legend import legend
from archspec.kernels.attention.names import (
    Computing,
    called,
    kernel_names,
    shape_names,
)
from archspec.kernels.attention.tiles import TARGETS
from archspec.kernels.attention.view import KernelView


def kernel_context(views: Sequence[Computing]) -> dict[str, Any]:
    """What all of them see."""
    names = kernel_names([v.kernel for v in views if v.kernel])
    decodes = shape_names([kernel.shape for kernel in names if kernel.decodes])
    paged = {kernel: name for kernel, name in names.items() if kernel.paged}
    paged_shapes = {kernel.shape for kernel in paged}
    beside = Beside.all_of(names)
    return hopper_context(names) | {
        "paged": [(name, kernel) for kernel, name in paged.items()],
        "paged_shapes": [(name, shape) for shape, name in decodes.items() if shape in paged_shapes],
        "paged_parameters": _paged_parameters(list(paged)),
        "windowing": any(kernel.window for kernel in paged),
        "chunking": any(kernel.chunk for kernel in paged),
        "ragged": any(kernel.ragged for kernel in names),
        "kernels": [(name, kernel) for kernel, name in names.items()],
        "kernel_names": names,
        "decodes": [(name, shape) for shape, name in decodes.items()],
        "decode_names": decodes,
        "targets": TARGETS,
        "beside": beside,
        "beside_in_pages": beside.in_pages,
        "more": Additions(beside),
        "one": OneToken.of(beside, list(decodes)),
        "activations": {k.gate.activation for k in names if k.gate},
        "gating": any(kernel.gate for kernel in paged),
        "slabs": " KERNELS[kind].slabs" if any(kernel.slabs > 1 for kernel in names) else "",
        "wide": any(len(kernel.by_key) > 1 for kernel in names),
        "capping": any(kernel.softcap for kernel in names),
        "legend": legend(list(names)),
        "even": _even(list(names)),
    }


OPERATORS = SharedFile(
    "kernels/attention_operators.py",
    "templates/kernels/attention/operators.py.jinja",
    "softmax attention in kernels, as operators with gradients",
    needed="kernel",
    context=kernel_context,
    names=called,
)
KERNEL_FILES = (
    OPERATORS,
    SharedFile(
        "kernels/attention.py",
        "templates/kernels/attention/kernels.py.jinja",
        "softmax attention as Triton kernels",
        needed="kernel",
        ahead="templates/kernels/attention/ahead.jinja",
        context=kernel_context,
    ),
    SharedFile(
        "kernels/decode.py",
        "templates/kernels/attention/decode_kernels.py.jinja",
        "the same for one new token",
        needed="decode_kernel",
        ahead="templates/kernels/attention/ahead_decode.jinja",
        context=kernel_context,
    ),
    SharedFile(
        "paged.py",
        "templates/kernels/attention/paged.py.jinja",
        "attention to keys in pages, for servers",
        needed="paged_kernel",
        extra="paged",
        context=kernel_context,
    ),
    SharedFile(
        "kernels/paged.py",
        "templates/kernels/attention/paged_kernels.py.jinja",
        "the same as Triton kernels",
        needed="paged_kernel",
        ahead="templates/kernels/attention/ahead_paged.jinja",
        extra="paged",
        context=kernel_context,
    ),
    SharedFile(
        "kernels/attention_hopper.py",
        "templates/kernels/attention/hopper_kernels.py.jinja",
        "softmax attention as Gluon kernels, for sm_90 alone",
        needed="hopper",
        ahead="templates/kernels/attention/ahead_hopper.jinja",
        extra="gluon",
        context=kernel_context,
    ),
)


def _paged_parameters(kernels: list[KernelView]) -> str:
    """What the function for keys in pages takes after the scale."""
    types = {"window": "int", "chunk": "int", "softcap": "float"}
    types |= {"sinks": "Tensor", "slopes": "Tensor"}
    there = [name for name in types if any(getattr(kernel, name) for kernel in kernels)]
    return "".join(f", {name}: {types[name]} | None = None" for name in there)


def _even(kernels: list[KernelView]) -> str:
    """How the names of arguments end that 16 divides: pointers, and strides of such heads."""
    widths = {width % 16 for kernel in kernels for width in (kernel.head_dim, kernel.value_dim)}
    ends = ["_ptr"] + (["_batch", "_page", "_head", "_token"] if widths == {0} else [])
    return ", ".join(f'"{end}"' for end in ends) + ("," if len(ends) == 1 else "")
