# Built by archspec 0.1.0 from parallel.yaml; edit the spec and build again.
"""When the kernels of parallel run in place of PyTorch's operators, and how each is compiled.

They run where Triton is installed, on GPUs of AMD's and on those of NVIDIA's from compute capability
8.0 on; others keep to PyTorch's operators. In the environment, read once, when this is imported,
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


def use_kernels(*tensors: Tensor) -> bool:
    """Whether kernels take these tensors: all where kernels run, in types they are made for."""
    if not USED:
        return False
    for tensor in tensors:
        there = tensor.is_cuda and is_able(tensor.device) or INTERPRETED and tensor.is_cpu
        if not there or tensor.dtype not in DTYPES:
            return False
    return True


def is_able(gpu: torch.device) -> bool:
    """Whether kernels run on a GPU; it stays so, which a compiled model need not ask again."""
    return bool(torch.version.hip) or capability(gpu) >= (8, 0)


# What torch.compiler.assume_constant_result does, which loads all of torch.compile to do it.
setattr(is_able, "_dynamo_marked_constant", True)  # noqa: B010


@cache
def capability(gpu: torch.device) -> tuple[int, int]:
    """The compute capability of a GPU of NVIDIA's."""
    return torch.cuda.get_device_capability(gpu)


TARGET: str | None = None  # set where kernels are compiled for another GPU than the one at hand


def target(device: torch.device | None = None) -> str:
    """The kind of GPU whose tiles a device takes; sm_90 where it is none, and kernels interpreted."""
    if TARGET or device is None or device.type != "cuda":
        return TARGET or "sm_90"
    return kind(device)


@cache
def kind(gpu: torch.device) -> str:
    """The kind of a GPU; sm_89 stands for all of NVIDIA's whose blocks share 99 KB at most."""
    if torch.version.hip:
        return "gfx942"
    here = torch.cuda.get_device_properties(gpu)
    if here.shared_memory_per_block_optin < 160 * 1024:
        return "sm_89"
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
