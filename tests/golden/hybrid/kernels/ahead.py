# Built by archspec 0.1.0 from hybrid.yaml; edit the spec and build again.
"""The binaries that hybrid needs, for compiling them ahead of time; nothing else imports this."""

from __future__ import annotations

from typing import Any, NamedTuple

from . import attention, combine, decode, experts, gate, loss, norm, router


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
        *gate_variants(),
        *experts_variants(),
        *combine_variants(),
        *router_variants(),
        *attention_variants(target),
        *decode_variants(target),
        *norm_variants(),
        *loss_variants(),
    ]


def gate_variants() -> list[Variant]:
    """The kernels as this model launches them, in bfloat16."""
    sizes: dict[str, str] = dict.fromkeys(("STRIDE", "WIDTH", "BLOCK"), "constexpr")
    one: dict[str, str] = dict.fromkeys(("gate", "up", "y"), "*bf16")
    other: dict[str, str] = dict.fromkeys(("grad_y", "gate", "up", "grad_gate", "grad_up"), "*bf16")
    places = [  # the kernels of each function, the name of a place, STRIDE and WIDTH there
        (gate.gated_silu_forward, gate.gated_silu_backward, "gated_silu_96", 96, 96),
        (gate.gated_silu_forward, gate.gated_silu_backward, "gated_silu_packed_96", 192, 96),
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


def experts_variants() -> list[Variant]:
    """The kernels as this model launches them, in bfloat16."""
    shapes = [  # of the weights of the first and the last map, and how many rows read a token
        ((8, 192, 128), (8, 128, 96), 2),
    ]
    found: dict[str, Variant] = {}
    for first, last, each in shapes:
        for shape, read in ((first, each), (last, 0)):
            where = f"{shape[0]}x{shape[1]}x{shape[2]}_{'rows' if read else 'pairs'}"
            for tiles in experts.FORWARD:
                name, sizes = (
                    f"experts_{where}_{tiles.rows}",
                    experts.sizes_of(shape, read, back=False),
                )
                found[name] = _experts_variant(name, experts.linear, sizes, tiles)
            name, sizes = (
                f"experts_back_{where}",
                experts.sizes_of(shape, 0 if read else 1, back=True),
            )
            found[name] = _experts_variant(name, experts.linear, sizes, experts.BACKWARD)
            name, sizes = f"experts_outer_{where}", {"IN": shape[2], "OUT": shape[1], "EACH": read}
            found[name] = _experts_variant(name, experts.outer, sizes, experts.OUTER)
    return list(found.values())


def _experts_variant(
    name: str, kernel: Any, sizes: dict[str, int], tiles: experts.Tiles
) -> Variant:
    cut = {"ROWS": tiles.rows, "COLUMNS": tiles.columns, "DEPTH": tiles.depth}
    constants: dict[str, Any] = {k: v for k, v in (sizes | cut).items() if k in kernel.arg_names}
    signature = {k: "constexpr" if k.isupper() else "*bf16" for k in kernel.arg_names}
    types = {"order": "*i64", "ends": "*i64", "read": "i32"}
    signature |= {k: types[k] for k in types if k in signature}
    pointers = tuple(k for k in signature if signature[k].startswith("*"))
    return Variant(name, kernel, signature, constants, tiles.warps, tiles.stages, pointers)


def combine_variants() -> list[Variant]:
    """The kernels as this model launches them, in bfloat16."""
    shapes = [  # EACH and WIDTH
        (2, 128),
    ]
    one: dict[str, str] = dict.fromkeys(("y", "weights", "out"), "*bf16")
    other: dict[str, str] = dict.fromkeys(
        ("grad", "y", "weights", "grad_y", "grad_weights"), "*bf16"
    )
    return [
        Variant(
            f"{name}_{each}_of_{width}",
            kernel,
            pointers | dict.fromkeys(combine.sizes_of(each, width), "constexpr"),
            combine.sizes_of(each, width),
            num_warps=4,
            num_stages=3,
            attrs=tuple(pointers),
        )
        for each, width in dict.fromkeys(shapes)
        for name, kernel, pointers in (
            ("combine", combine.combine_forward, one),
            ("combine_backward", combine.combine_backward, other),
        )
    ]


def router_variants() -> list[Variant]:
    """The kernels as this model launches them in bfloat16."""
    return [
        _router_variant(router.route_forward, 256, 4),
        _router_variant(router.route_backward, 256, 4),
    ]


def _router_variant(kernel: Any, rows: int, warps: int, logits: str = "*bf16") -> Variant:
    types = {"chosen": "*i64", "picks": "*i64", "correction": "*fp32", "rows": "i32"}
    signature = {k: types.get(k, logits) for k in kernel.arg_names} | {"ROWS": "constexpr"}
    pointers = tuple(k for k in signature if signature[k].startswith("*"))
    return Variant(
        kernel.__name__, kernel, signature, {"ROWS": rows}, warps, num_stages=3, attrs=pointers
    )


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
    found.append(_norm_variant("add_norm_forward", norm.add_norm_forward, 128, two))
    found.append(_norm_variant("add_norm_backward", norm.norm_backward, 128, more))
    return found


def _norm_variant(name: str, kernel: Any, width: int, pointers: dict[str, str]) -> Variant:
    at_once, columns, warps = norm.TILES[width]
    tiles = {"WIDTH": width, "ROWS": at_once, "COLUMNS": columns}
    numbers = {"rows": "i32", "eps": "fp32", "center": "fp32"}
    signature = pointers | numbers | dict.fromkeys(tiles, "constexpr")
    absent = dict.fromkeys((k for k in pointers if pointers[k] == "constexpr"), None)
    given = tuple(k for k in pointers if pointers[k] != "constexpr")
    return Variant(f"{name}_{width}", kernel, signature, absent | tiles, warps, 3, given)


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
