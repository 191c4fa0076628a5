# Built by archspec 0.1.0 from hybrid.yaml; edit the spec and build again.
"""The kernels of attention as operators of PyTorch, with gradients.

Shapes: B sequences, H query heads that share K key-value heads, T new tokens, the last of S keys.
`bounds` says where the texts in each row begin and end, and `starts` (B,) how many tokens each text
has before a single new one; both are None where rows are alike.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..operators import NAMESPACE
from . import attention as kernels
from .attention import constants, dense, given
from .decode import decode
from .launch import launch, pieces, target


def causal_gated_heads(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    gate: Tensor,
    bounds: Tensor | None,
    starts: Tensor | None,
    scale: float,
    activation: str,
) -> Tensor:
    """A token sees all up to itself: (B, H, T, D), (B, K, S, D), (B, K, S, E) → (B, H, T, E)."""
    k, v = k.to(q.dtype), v.to(q.dtype)  # as a cache may be wider under autocast
    if q.shape[2] == 1:
        return decode(
            "32x32_gated_heads",
            q,
            k,
            v,
            gate.contiguous(),
            *seen_slots(starts, k),
            scale,
            activation,
        )
    return attention(
        "causal_gated_heads",
        q,
        k,
        v,
        gate.contiguous(),
        bounds,
        [],
        scale,
        activation,
        torch.is_grad_enabled(),
    )[0]


class Kernels(NamedTuple):
    """The kernels of one kind of attention."""

    forward: Any
    backward_queries: Any
    backward_keys: tuple[Any, ...]


KERNELS = {
    "causal_gated_heads": Kernels(
        kernels.causal_gated_heads_forward,
        kernels.causal_gated_heads_backward_queries,
        (kernels.causal_gated_heads_backward_keys,),
    ),
}


def seen_slots(starts: Tensor | None, k: Tensor) -> tuple[Tensor | None, Tensor | None]:
    """Where texts begin, (B, 2), and which keys their new tokens see, (B, S): as many as are read."""
    if starts is None:
        return None, None
    seen = torch.arange(k.shape[2], device=k.device) <= starts[:, None]
    return starts.new_zeros(len(starts), 2, dtype=torch.int32), seen


def cut(kernel: Any, like: Tensor) -> kernels.Tiles:
    tiles = kernels.TILES[target(like.device)]
    return tiles[kernel] if like.element_size() == 2 else kernels.SMALL


@torch.library.custom_op(f"{NAMESPACE}::attention", mutates_args=())
def attention(
    kind: str,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    gate: Tensor | None,
    bounds: Tensor | None,
    counts: list[int],
    scale: float,
    activation: str,
    keep: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """The output, lse, and what was gated; only kernels of this kind take `counts`."""
    q, k, v = dense(q), dense(k), dense(v)
    out, lse, plain = _attention(kind, q, k, v, gate, bounds, counts, scale, activation, keep)
    (batch, heads, rows), kernel = lse.shape, KERNELS[kind].forward
    tiles = cut(kernel, q)
    own = constants(kernel, q.shape[1], heads, {"SCALE": scale, "ACTIVATION": activation})
    sizes = (q.shape[2], k.shape[2], *counts, *strides(q, k, v))
    kept = [] if gate is None else [plain if keep else None]
    tensors = (q, k, v, *given(gate), out, lse, *kept, bounds)
    grid = (pieces(rows, tiles.rows) * batch * heads,)
    launch(kernel, grid, *tensors, *sizes, **own, **tiles.options())
    return out, lse, plain


@attention.register_fake
def _attention(kind, q, k, v, gate, bounds, counts, scale, activation, keep):
    (batch, heads, tokens, _), kv_heads = q.shape, k.shape[1]
    lse = q.new_empty(batch, kv_heads, tokens * (heads // kv_heads), dtype=torch.float32)
    plain = empty_like(q, v.shape[3] if keep and gate is not None else 0)
    return empty_like(q, v.shape[3]), lse, plain


@torch.library.custom_op(f"{NAMESPACE}::attention_backward", mutates_args=())
def attention_backward(
    kind: str,
    dout: Tensor,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    gate: Tensor | None,
    bounds: Tensor | None,
    out: Tensor,
    lse: Tensor,
    counts: list[int],
    scale: float,
    activation: str,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    q, k, v = dense(q), dense(k), dense(v)
    dout = dout.transpose(1, 2).contiguous()
    dq, dk, dv = (empty_like(x, x.shape[3]) for x in (q, k, v))
    (batch, heads, rows), keys, delta = lse.shape, k.shape[2], torch.empty_like(lse)
    sizes = (bounds, q.shape[2], keys, *counts, *strides(q, k, v))
    kernel = KERNELS[kind].backward_queries
    numbers = {"SCALE": scale, "ACTIVATION": activation}
    own = constants(kernel, q.shape[1], heads, numbers)
    gating = [] if gate is None else [gate, torch.empty_like(gate), torch.empty_like(dout)]
    tiles, tensors = cut(kernel, q), (q, k, v, *gating, out, dout, lse, delta, dq)
    grid = (pieces(rows, tiles.rows) * batch * heads,)
    launch(kernel, grid, *tensors, *sizes, **own, **tiles.options())
    dout = gating[2] if gating else dout  # of what was gated
    tensors = (q, k, v, dout, lse, delta, dk, dv)
    for kernel in KERNELS[kind].backward_keys:
        tiles = cut(kernel, q)
        grid = (pieces(keys, tiles.keys) * batch * heads,)
        own = constants(kernel, q.shape[1], heads, numbers)
        launch(kernel, grid, *tensors, *sizes, **own, **tiles.options())
    dgate = gating[1] if gating else q.new_empty(0)
    return dq, dk, dv, dgate


@attention_backward.register_fake
def _attention_backward(kind, dout, q, k, v, gate, bounds, out, lse, counts, scale, activation):
    dq, dk, dv = (empty_like(x, x.shape[3]) for x in (q, k, v))
    return dq, dk, dv, q.new_empty(0) if gate is None else torch.empty_like(gate)


def _setup(ctx, inputs, output):
    ctx.kind, tensors, ctx.numbers = inputs[0], inputs[1:6], inputs[6:-1]
    ctx.save_for_backward(*tensors, *output)
    ctx.mark_non_differentiable(*output[1:])


def _gradients(ctx, dout, *_):
    *inputs, out, lse, plain = ctx.saved_tensors
    out = out if inputs[3] is None else plain
    dq, dk, dv, dgate = attention_backward(ctx.kind, dout, *inputs, out, lse, *ctx.numbers)
    dgate = None if inputs[3] is None else dgate
    return None, dq, dk, dv, dgate, None, None, None, None, None


attention.register_autograd(_gradients, setup_context=_setup)


def strides(*tensors: Tensor) -> list[int]:
    """How far apart the sequences, heads and tokens of each are."""
    return [step for x in tensors for step in x.stride()[:3]]


def empty_like(x: Tensor, width: int) -> Tensor:
    """(B, H, T, width), with the heads of a token together in memory."""
    batch, heads, tokens, _ = x.shape
    return x.new_empty(batch, tokens, heads, width).transpose(1, 2)
