# Built by archspec 0.1.0 from encoder.yaml; edit the spec and build again.
"""How each kernel of encoder is launched, and for which kind of GPU its tiles are chosen."""

from __future__ import annotations

from functools import cache
from typing import Any

import torch


def target(device: torch.device) -> str:
    """The kind of GPU whose tiles a device takes; sm_90 where it is none, and kernels interpreted."""
    return kind(device) if device.type == "cuda" else "sm_90"


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
