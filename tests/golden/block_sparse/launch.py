# Built by archspec 0.1.0 from block-sparse.yaml; edit the spec and build again.
"""When the kernels of block-sparse run in place of PyTorch's operators, and how each is compiled.

They run on a GPU, where Triton is installed. In the environment, read once, when this is imported,
ARCHSPEC_KERNELS=reference keeps to PyTorch's operators everywhere, and ARCHSPEC_KERNELS=interpret
with TRITON_INTERPRET=1 runs the kernels on a CPU too, slowly, which is how they are tested there.
ARCHSPEC_KERNELS=gluon takes kernels made for one kind of GPU where there are such.
"""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from os import environ
from typing import Any, NamedTuple

import torch
from torch import Tensor

WANTED = environ.get("ARCHSPEC_KERNELS", "")
INTERPRETED = WANTED == "interpret" and environ.get("TRITON_INTERPRET") == "1"
READY = find_spec("triton") is not None and (INTERPRETED or torch.backends.cuda.is_built())
USED = READY and WANTED != "reference"
DTYPES = (torch.bfloat16, torch.float16, torch.float32)

# Several packages may live in one process, so the operators are named after this one.
_PACKAGE = __name__.rpartition(".")[0]
NAMESPACE = "".join(c if c.isalnum() else "_" for c in _PACKAGE) or "kernels"


def use_kernels(*tensors: Tensor) -> bool:
    """Whether kernels take these tensors: all where kernels run, in types they are made for."""
    if not USED:
        return False
    for tensor in tensors:
        if not (tensor.is_cuda or INTERPRETED and tensor.is_cpu) or tensor.dtype not in DTYPES:
            return False
    return True


TARGET: str | None = None  # set where kernels are compiled for another GPU than the one at hand


@cache
def target() -> str:
    """The GPU whose tiles are taken: this one's kind, or gfx942, whose tiles fit everywhere."""
    if TARGET or not torch.cuda.is_available():
        return TARGET or "sm_90"
    here = torch.cuda.get_device_properties(torch.cuda.current_device())
    if torch.version.hip or here.shared_memory_per_block_optin < 160 * 1024:
        return "gfx942"
    return {8: "sm_80", 9: "sm_90"}.get(here.major, "sm_100")


def pieces(count: int, size: int) -> int:
    """How many pieces of `size` hold `count`: programs of a grid."""
    return -(-count // size)


def launch(kernel: Any, grid: tuple[int, ...], *arguments: Any, **constants: Any) -> None:
    """Run `kernel`, a function under @triton.jit, on the device of its first argument."""
    with torch.cuda.device_of(arguments[0]):
        kernel[grid](*arguments, **constants)


class Variant(NamedTuple):
    """A kernel as it is launched for this model, with all that compiling it ahead of time needs."""

    name: str
    kernel: Any  # a function under @triton.jit
    signature: dict[str, str]  # each argument in order: "*bf16", "i32", "fp32" or "constexpr"
    constants: dict[str, Any]  # the value of each constexpr
    num_warps: int
    num_stages: int
    attrs: tuple[str, ...]  # pointers and strides that 16 divides
    target: str | None = None  # the only kind of GPU it is for, such as sm_90
