# Built by archspec 0.1.0 from encoder.yaml; edit the spec and build again.
"""The binaries that encoder needs, for compiling them ahead of time; nothing else imports this."""

from __future__ import annotations

from typing import Any, NamedTuple

from . import attention


class Variant(NamedTuple):
    """A kernel as it is launched for this model, with all that compiling it takes."""

    name: str
    kernel: Any  # a function under @triton.jit
    signature: dict[str, str]  # each argument in order: "*bf16", "i32", "fp32" or "constexpr"
    constants: dict[str, Any]  # the value of each constexpr
    num_warps: int
    num_stages: int
    attrs: tuple[str, ...]  # pointers and strides that 16 divides
    target: str | None = None  # the only kind of GPU it is for, such as sm_90


def variants(target: str) -> list[Variant]:
    """Every kernel as this model launches it on that kind of GPU, in bfloat16."""
    return [
        *attention_variants(target),
    ]


def attention_variants(target: str) -> list[Variant]:
    """The kernels as this model launches them for texts without padding, in bfloat16."""
    return [
        tiled(kernel, tiles, bounds_ptr=None) for kernel, tiles in attention.TILES[target].items()
    ]


def tiled(kernel: Any, tiles: attention.Tiles, **constants: int | None) -> Variant:
    """A kernel with the tiles that it is compiled for."""
    cut = {"ROWS": tiles.rows, "KEYS": tiles.keys} | constants
    return variant(kernel, cut, tiles.warps, tiles.stages)


TYPES = {"lse": "fp32", "delta": "fp32", "slopes": "fp32", "part": "fp32", "part_lse": "fp32"}
TYPES |= {"bounds": "i32", "lengths": "i32", "table": "i32", "real": "i1"}


def variant(kernel: Any, constants: dict[str, Any], warps: int, stages: int) -> Variant:
    """The types of a kernel's arguments by their names."""
    signature: dict[str, str] = {}
    for name in kernel.arg_names:
        kind = (
            "*" + TYPES.get(name.removesuffix("_ptr"), "bf16") if name.endswith("_ptr") else "i32"
        )
        signature[name] = "constexpr" if name in constants else kind
    even = tuple(
        n
        for n in signature
        if n.endswith(("_ptr", "_batch", "_page", "_head", "_token")) and n not in constants
    )
    return Variant(kernel.__name__, kernel, signature, constants, warps, stages, even)
