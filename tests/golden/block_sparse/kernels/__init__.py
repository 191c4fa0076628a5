# Built by archspec 0.1.0 from block-sparse.yaml; edit the spec and build again.
"""When the kernels of block-sparse run in place of PyTorch's operators.

They run where Triton is installed, on GPUs of AMD's and on those of NVIDIA's from compute capability
8.0 on; others keep to PyTorch's operators. `mode` says otherwise for a while, and ARCHSPEC_KERNELS
in the environment from the start:

auto       where they can
reference  nowhere: PyTorch's operators compute all
interpret  on a CPU too, slowly, which is how they are tested there: needs TRITON_INTERPRET=1
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from os import environ

import torch
from torch import Tensor

MODES = ("auto", "reference", "interpret")
DTYPES = (torch.bfloat16, torch.float16, torch.float32)
INTERPRETER = environ.get("TRITON_INTERPRET") == "1"
READY = find_spec("triton") is not None and (INTERPRETER or torch.backends.cuda.is_built())


def checked(name: str) -> str:
    """A name of `MODES`; raises ValueError for another, and RuntimeError without an interpreter."""
    if name not in MODES:
        raise ValueError(f"kernels run in no mode {name!r}; there are {', '.join(MODES)}")
    if name == "interpret" and not INTERPRETER:
        raise RuntimeError("to interpret kernels, start Python with TRITON_INTERPRET=1")
    return name


running = checked(environ.get("ARCHSPEC_KERNELS") or "auto")  # which torch.compile guards on


@contextmanager
def mode(name: str) -> Iterator[None]:
    """Within `with mode("reference"):` kernels run as a name of `MODES` says, in every thread."""
    global running
    before, running = running, checked(name)
    try:
        yield
    finally:
        running = before


def use_kernels(*tensors: Tensor) -> bool:
    """Whether kernels take these tensors: all where kernels run, in types they are made for."""
    if running == "reference" or not READY:
        return False
    for tensor in tensors:
        there = (
            tensor.is_cuda and is_able(tensor.device) or running == "interpret" and tensor.is_cpu
        )
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
