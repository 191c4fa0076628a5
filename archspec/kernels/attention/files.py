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
from archspec.kernels.attention.names import Computing, kernel_names, kinds, shape_names
from archspec.kernels.attention.numbers import (
    Numbers,
    any_in_pages,
    parameters_in_pages,
    parameters_of,
    passed_in_pages,
)
from archspec.kernels.attention.tiles import TARGETS
from archspec.kernels.attention.view import KernelView


def kernel_context(views: Sequence[Computing]) -> dict[str, Any]:
    """What all of them see."""
    found = kinds(views)
    names = kernel_names(found)
    kernels = list(names)
    decodes = shape_names(kernels)
    paged = [kernel for kernel in kernels if kernel.paged]
    paged_shapes = {kernel.shape for kernel in paged}
    beside = Beside.all_of(kernels)
    in_pages = Numbers.all_of(paged, ("activation",))
    return hopper_context(names) | {
        "kinds": list(found.items()),
        "paged": [(names[kernel], kernel) for kernel in paged],
        "paged_kinds": [(kind, those) for kind, those in found.items() if those[0].paged],
        "paged_shapes": [(name, shape) for shape, name in decodes.items() if shape in paged_shapes],
        "ragged": any(kernel.ragged for kernel in kernels),
        "kernels": [(name, kernel) for kernel, name in names.items()],
        "decodes": [(name, shape) for shape, name in decodes.items()],
        "decode_names": decodes,
        "targets": TARGETS,
        "beside": beside,
        "beside_in_pages": beside.in_pages,
        "numbers": Numbers.all_of(kernels),
        "numbers_of_one": Numbers.all_of([k for k in kernels if k.decodes], ("window", "chunk")),
        "numbers_in_pages": in_pages,
        "names": names,
        "parameters_of": parameters_of,
        "in_pages": parameters_in_pages,
        "plain_in_pages": passed_in_pages,
        "paged_parameters": any_in_pages(in_pages, beside.sinks, beside.slopes),
        "more": Additions(beside),
        "one": OneToken.of(beside, list(decodes)),
        "gated": beside.gate,
        "blocks": any(kernel.blocks for kernel in kernels),
        "gating": any(kernel.gate for kernel in paged),
        "slabs": " KERNELS[kind].slabs" if any(kernel.slabs > 1 for kernel in kernels) else "",
        "wide": any(len(kernel.by_key) > 1 for kernel in kernels),
        "capping": any(kernel.softcap for kernel in kernels),
        "legend": legend(kernels),
        "even": _even(kernels),
    }


OPERATORS = SharedFile(
    "kernels/attention_operators.py",
    "templates/kernels/attention/operators.py.jinja",
    "softmax attention in kernels, as operators with gradients",
    needed="kernel",
    context=kernel_context,
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


def _even(kernels: list[KernelView]) -> str:
    """How the names of arguments end that 16 divides: pointers, and strides of such heads."""
    widths = {width % 16 for kernel in kernels for width in (kernel.head_dim, kernel.value_dim)}
    ends = ["_ptr"] + (["_batch", "_page", "_head", "_token"] if widths == {0} else [])
    return ", ".join(f'"{end}"' for end in ends) + ("," if len(ends) == 1 else "")
