# Built by archspec 0.1.0 from local-global.yaml; edit the spec and build again.
"""Rotations in one pass over the heads of each token, in float32.

B, H, T      sequences, heads, tokens; a program has all heads of one token in hand
WIDTH        the numbers of a head, in pairs of a first and a second that turn together
EVERY, APART how far apart the firsts of two pairs lie, and the two of one pair
HEADS, PAIRS H and half of WIDTH, rounded up to powers of two; what is beyond is masked
NEXT, HEAD   the numbers from one token, and one head, to the next in x; in y heads are packed
rows         the rows of the tables of cosines and sines: T, or B · T where sequences differ
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from ..operators import NAMESPACE
from .launch import launch


@triton.jit(do_not_specialize=["rows"])
def rotate_heads(
    x,
    cos,
    sin,
    y,
    rows,
    SIGN: tl.constexpr,
    H: tl.constexpr,
    WIDTH: tl.constexpr,
    EVERY: tl.constexpr,
    APART: tl.constexpr,
    HEADS: tl.constexpr,
    PAIRS: tl.constexpr,
    NEXT: tl.constexpr,
    HEAD: tl.constexpr,
):
    """y = (a cos − b sin, b cos + a sin) for each pair (a, b); the other way where SIGN is −1."""
    token = tl.program_id(0).to(tl.int64)
    head, pair = tl.arange(0, HEADS)[:, None], tl.arange(0, PAIRS)[None, :]
    first, turned = pair * EVERY, pair < WIDTH // 2
    second, inside = first + APART, (head < H) & turned
    # The table of sines has them as the seconds of pairs need them.
    c = tl.load(cos + token % rows * WIDTH + second, mask=turned, other=0.0).to(tl.float32)
    s = SIGN * tl.load(sin + token % rows * WIDTH + second, mask=turned, other=0.0).to(tl.float32)
    a = tl.load(x + token * NEXT + head * HEAD + first, mask=inside, other=0.0).to(tl.float32)
    b = tl.load(x + token * NEXT + head * HEAD + second, mask=inside, other=0.0).to(tl.float32)
    y += (token * H + head) * WIDTH
    tl.store(y + first, a * c - b * s, mask=inside)
    tl.store(y + second, b * c + a * s, mask=inside)


def rotate(x: Tensor, cos: Tensor, sin: Tensor, pairs: int) -> Tensor:
    """Turn pairs that lie `pairs` apart: (B, H, T, W), (B or 1, 1, T, W) twice → (B, H, T, W)."""
    return _turn(even_tokens(x), cos.contiguous(), sin.contiguous(), pairs, 1)


def even_tokens(x: Tensor) -> Tensor:
    """x where its tokens lie evenly apart, each with its heads side by side; else a copy."""
    even = x.shape[0] == 1 or x.stride(0) == x.shape[2] * x.stride(2)
    beside = x.shape[1] == 1 or x.shape[1] * x.stride(1) <= x.stride(2)
    return x if even and beside and x.stride(3) == 1 else packed(x).copy_(x)


def packed(x: Tensor) -> Tensor:
    """An empty tensor of the same shape whose heads lie side by side in each token."""
    batch, heads, tokens, width = x.shape
    return x.new_empty(batch, tokens, heads, width).transpose(1, 2)


def constants_of(x: Tensor, apart: int) -> dict[str, int]:
    """The shape of the heads of a token in x (B, H, T, W), as the kernel knows it."""
    heads, width = x.shape[1], x.shape[3]
    return {
        "H": heads,
        "WIDTH": width,
        "EVERY": 2 if apart == 1 else 1,
        "APART": apart,
        "HEADS": 1 << (heads - 1).bit_length(),
        "PAIRS": 1 << (width // 2 - 1).bit_length(),
        "NEXT": x.stride(2),
        "HEAD": x.stride(1) if heads > 1 else 0,
    }


def warps_of(constants: dict[str, int]) -> int:
    """Eight pairs for each thread, at most eight warps."""
    return max(1, min(8, constants["HEADS"] * constants["PAIRS"] // 256))


@torch.library.custom_op(f"{NAMESPACE}::rotate", mutates_args=())
def _turn(x: Tensor, cos: Tensor, sin: Tensor, apart: int, sign: int) -> Tensor:
    y = packed(x)
    batch, _, tokens, _ = x.shape
    constants = constants_of(x, apart) | {"SIGN": sign}
    warps = warps_of(constants)
    rows = cos.shape[0] * tokens
    launch(rotate_heads, (batch * tokens,), x, cos, sin, y, rows, **constants, num_warps=warps)
    return y


@_turn.register_fake
def _(x: Tensor, cos: Tensor, sin: Tensor, apart: int, sign: int) -> Tensor:
    return packed(x)


def _save(ctx, inputs, output):
    _, cos, sin, ctx.apart, ctx.sign = inputs
    ctx.save_for_backward(cos, sin)


def _grads(ctx, grad_y):
    return (
        _turn(even_tokens(grad_y), *ctx.saved_tensors, ctx.apart, -ctx.sign),
        None,
        None,
        None,
        None,
    )


_turn.register_autograd(_grads, setup_context=_save)
