# Built by archspec 0.1.0 from local-global.yaml; edit the spec and build again.
"""The binaries that local-global needs, for compiling them ahead of time; nothing else imports this."""

from __future__ import annotations

from contextlib import ExitStack
from functools import cache
from typing import Any, NamedTuple
from unittest import mock

import torch

from . import decode, gate, loss, norm, rotary


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


@cache
def launched(target: str) -> dict[str, list[Variant]]:
    """What attention launches on that kind of GPU, by file: whole texts, their gradients, and one token.

    The classes of layers say how it is called: they run without data, and what they would launch is
    noted, so that heads, windows and all other numbers are theirs.
    """
    from .. import attend
    from .. import attention as attention_layers
    from ..step import make_step
    from . import attention_operators as operators

    found: dict[str, list[Variant]] = {"decode": [], "attention": []}

    def several(kind, q, k, v, bounds, counts, window, scale):
        forward, backward = (function_of(x) for x in (asked, operators.attention_backward))
        tensors = (q, k, v, bounds)
        out, lse = forward(kind, *tensors, counts, window, scale)
        backward(kind, out, *tensors, out, lse, counts, window, scale)
        return out, lse

    asked = operators.attention
    files = (
        operators,
        decode,
    )
    with ExitStack() as stack:
        stack.enter_context(torch.device("meta"))
        patched = [(attend, "use_kernels", lambda *_: True), (operators, "attention", several)]
        patched.append((operators, "decode", function_of(decode.decode)))
        for module in files:
            patched.append((module, "launch", Noted(found)))
            if hasattr(module, "target"):
                patched.append((module, "target", lambda _: target))
        for patch in patched:
            stack.enter_context(mock.patch.object(*patch))
        for tokens in (16, 1):
            x = torch.empty(1, tokens, 192, dtype=torch.bfloat16)
            step = make_step(0, tokens, None, x)
            attention_layers.SlidingAttention().bfloat16()(x, step, None)
            attention_layers.GlobalAttention().bfloat16()(x, step, None)
    return found


def function_of(operator: Any) -> Any:
    """The function of an operator, which runs on what has no data too."""
    return vars(operator)["_init_fn"]


class Noted:
    """In place of `launch`: notes each kernel once, with what it would be compiled for, by file."""

    def __init__(self, found: dict[str, list[Variant]]):
        self.found = found

    def __call__(self, kernel: Any, grid: tuple[int, ...], *given: Any, **options: Any) -> None:
        warps, stages = options.pop("num_warps"), options.pop("num_stages", 1)
        arguments = dict(zip(kernel.arg_names, given, strict=False))
        constants = options | {name: None for name, x in arguments.items() if x is None}
        signature = {name: typed(name, arguments, constants) for name in kernel.arg_names}
        even = tuple(name for name, x in arguments.items() if x is not None and is_even(name, x))
        listed = self.found.setdefault(kernel.__module__.rpartition(".")[2], [])
        alike = [own for own in listed if own.kernel is kernel]
        name = f"{kernel.__name__}_{len(alike) + 1}" if alike else kernel.__name__
        own = Variant(name, kernel, signature, constants, warps, stages, even)
        if own._replace(name="") not in [other._replace(name="") for other in alike]:
            listed.append(own)


TYPES = {torch.bfloat16: "bf16", torch.float32: "fp32", torch.int32: "i32", torch.bool: "i1"}


def typed(name: str, arguments: dict[str, Any], constants: dict[str, Any]) -> str:
    """The type of an argument, as Triton writes it."""
    if name in constants:
        return "constexpr"
    given = arguments[name]
    return f"*{TYPES[given.dtype]}" if isinstance(given, torch.Tensor) else "i32"


def is_even(name: str, given: Any) -> bool:
    """Whether 16 divides it: a pointer, or how far apart sequences, pages, heads or tokens are."""
    if isinstance(given, int):
        return name.endswith(("_batch", "_page", "_head", "_token")) and given % 16 == 0
    return isinstance(given, torch.Tensor)


def attention_variants(target: str) -> list[Variant]:
    """The kernels as this model launches them for texts without padding."""
    return launched(target)["attention"]


def decode_variants(target: str) -> list[Variant]:
    """The kernels as this model launches them for texts without padding."""
    return launched(target)["decode"]


def gate_variants() -> list[Variant]:
    """The kernels as this model launches them, in bfloat16."""
    one: dict[str, str] = dict.fromkeys(("gate", "up", "y"), "*bf16")
    other: dict[str, str] = dict.fromkeys(("grad_y", "gate", "up", "grad_gate", "grad_up"), "*bf16")
    places = [  # its name, the kernels, WIDTH and STRIDE
        ("gelu_tanh_gate_512", gate.gelu_tanh_gate_forward, gate.gelu_tanh_gate_backward, 512, 512),
    ]
    found: list[Variant] = []
    for name, forward, backward, width, stride in places:
        sizes = gate.sizes_of(width, stride)
        warps = sizes.pop("num_warps")
        constants = sizes
        for way, kernel, pointers in (("forward", forward, one), ("backward", backward, other)):
            signature = pointers | dict.fromkeys(constants, "constexpr")
            # Where both lie in one tensor, up starts WIDTH numbers after gate.
            even = tuple(p for p in pointers if width % 8 == 0 or "up" not in p)
            found.append(Variant(f"{name}_{way}", kernel, signature, constants, warps, 3, even))
    return found


def norm_variants() -> list[Variant]:
    """The kernels as this model launches them, in bfloat16."""
    widths = (192,)
    one: dict[str, str] = dict.fromkeys(("x", "weight", "y"), "*bf16")
    two: dict[str, str] = dict.fromkeys(("x", "branch", "weight", "total", "y"), "*bf16")
    more: dict[str, str] = dict.fromkeys(("grad_y", "x", "weight", "grad_sum", "grad_x"), "*bf16")
    more |= {"grad_weight": "*fp32"}
    other = more | {"grad_sum": "constexpr"}  # None
    found = [_norm_variant("norm_forward", norm.norm_forward, width, one) for width in widths]
    found += [_norm_variant("norm_backward", norm.norm_backward, width, other) for width in widths]
    found.append(_norm_variant("add_norm_forward", norm.add_norm_forward, 192, two))
    found.append(_norm_variant("add_norm_backward", norm.norm_backward, 192, more))
    return found


def _norm_variant(name: str, kernel: Any, width: int, pointers: dict[str, str]) -> Variant:
    tiles = norm.tiles_of(width)
    warps = tiles.pop("num_warps")
    numbers = {"rows": "i32", "eps": "fp32"}
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
    found: list[Variant] = []
    for name, gradients in (("rows_loss", False), ("rows_loss_gradients", True)):
        constants = loss.sizes_of(1024) | {"GRADIENTS": gradients}
        warps = constants.pop("num_warps")
        signature = pointers | dict.fromkeys(constants, "constexpr")
        found.append(Variant(name, loss.cross_entropy, signature, constants, warps, 3, ("logits",)))
    return found
