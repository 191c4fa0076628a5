# Built by archspec 0.1.0 from local-global.yaml; edit the spec and build again.
"""The binaries that local-global needs, for compiling them ahead of time; nothing else imports this."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch

from . import attention, decode, gate, loss, norm, rotary


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
        *decode_variants(target),
        *gate_variants(),
        *norm_variants(),
        *rotary_variants(),
        *loss_variants(),
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


def decode_variants(target: str) -> list[Variant]:
    """The kernels as this model launches them for texts without padding, in bfloat16."""
    found: list[Variant] = []
    tiles = decode.TILES[target]
    for own in decode.SHAPES.values():
        found.append(tiled(own.parts, tiles[own.parts], bounds_ptr=None, real_ptr=None))
        found.append(variant(own.combine, {"PARTS": decode.PARTS}, 8, 1))
    return found


def gate_variants() -> list[Variant]:
    """The kernels as this model launches them, in bfloat16."""
    sizes: dict[str, str] = dict.fromkeys(("STRIDE", "WIDTH", "BLOCK"), "constexpr")
    one: dict[str, str] = dict.fromkeys(("gate", "up", "y"), "*bf16")
    other: dict[str, str] = dict.fromkeys(("grad_y", "gate", "up", "grad_gate", "grad_up"), "*bf16")
    places = [  # the kernels of each function, the name of a place, STRIDE and WIDTH there
        (
            gate.gated_gelu_tanh_forward,
            gate.gated_gelu_tanh_backward,
            "gated_gelu_tanh_512",
            512,
            512,
        ),
    ]
    return [
        Variant(
            f"{name}_{way}",
            kernel,
            pointers | sizes,
            {"STRIDE": stride, "WIDTH": width, "BLOCK": gate.TILES[width][0]},
            num_warps=gate.TILES[width][1],
            num_stages=3,
            # Where both lie in one tensor, up starts WIDTH numbers after gate.
            attrs=tuple(p for p in pointers if width % 8 == 0 or "up" not in p),
        )
        for forward, backward, name, stride, width in places
        for way, kernel, pointers in (("forward", forward, one), ("backward", backward, other))
    ]


def norm_variants() -> list[Variant]:
    """The kernels as this model launches them, in bfloat16."""
    one: dict[str, str] = dict.fromkeys(("x", "weight", "y"), "*bf16")
    two: dict[str, str] = dict.fromkeys(("x", "branch", "weight", "total", "y"), "*bf16")
    more: dict[str, str] = dict.fromkeys(("grad_y", "x", "weight", "grad_sum", "grad_x"), "*bf16")
    more |= {"grad_weight": "*fp32"}
    other = more | {"grad_sum": "constexpr"}  # None
    found = [_norm_variant("norm_forward", norm.norm_forward, width, one) for width in norm.TILES]
    found += [
        _norm_variant("norm_backward", norm.norm_backward, width, other) for width in norm.TILES
    ]
    found.append(_norm_variant("add_norm_forward", norm.add_norm_forward, 192, two))
    found.append(_norm_variant("add_norm_backward", norm.norm_backward, 192, more))
    return found


def _norm_variant(name: str, kernel: Any, width: int, pointers: dict[str, str]) -> Variant:
    at_once, columns, warps = norm.TILES[width]
    tiles = {"WIDTH": width, "ROWS": at_once, "COLUMNS": columns}
    numbers = {"rows": "i32", "eps": "fp32", "center": "fp32"}
    signature = pointers | numbers | dict.fromkeys(tiles, "constexpr")
    absent = dict.fromkeys((k for k in pointers if pointers[k] == "constexpr"), None)
    given = tuple(k for k in pointers if pointers[k] != "constexpr")
    return Variant(f"{name}_{width}", kernel, signature, absent | tiles, warps, 3, given)


def rotary_variants() -> list[Variant]:
    """The kernels as this model launches them, in bfloat16, on what its projections give."""
    signature: dict[str, str] = dict.fromkeys(("x", "cos", "sin", "y"), "*bf16") | {"rows": "i32"}
    shapes = [  # H, WIDTH, APART, NEXT and HEAD, and whether 16 bytes divide where x begins
        (2, 32, 16, 64, 32, True),
        (6, 32, 16, 192, 32, True),
    ]
    found: list[Variant] = []
    for heads, width, apart, following, head, aligned in shapes:
        strides = (2 * following, head, following, 1)
        x = torch.empty(0, device="meta").new_empty_strided((1, heads, 2, width), strides)
        for name, sign, given in (("rotate", 1, x), ("rotate_back", -1, rotary.packed(x))):
            constants = {"SIGN": sign} | rotary.constants_of(given, apart)
            variant = Variant(
                f"{name}_{heads}_{width}_of_{following}",
                rotary.rotate_heads,
                signature | dict.fromkeys(constants, "constexpr"),
                constants,
                num_warps=rotary.warps_of(constants),
                num_stages=3,
                attrs=("x", "cos", "sin", "y") if aligned or sign < 0 else ("cos", "sin", "y"),
            )
            found.append(variant)
    return found


def loss_variants() -> list[Variant]:
    """The kernels as this model launches them, in bfloat16."""
    pointers = {"logits": "*bf16", "labels": "*i64", "losses": "*fp32"}
    constants = dict.fromkeys(("V", "BLOCK", "GRADIENTS"), "constexpr")
    return [
        Variant(
            name,
            loss.cross_entropy,
            pointers | constants,
            {"V": 1024, "BLOCK": loss.BLOCK, "GRADIENTS": gradients},
            num_warps=loss.WARPS,
            num_stages=3,
            attrs=("logits",),
        )
        for name, gradients in (("rows_loss", False), ("rows_loss_gradients", True))
    ]
