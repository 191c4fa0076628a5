# Built by archspec 0.1.0 from chunked.yaml; edit the spec and build again.
"""Routers: scores of experts, the choice of a token and its weights in one pass over its logits.

logits   (R, E), a row for each token; a program has ROWS of them in hand, in float32 as `z`
s, w     the scores of all experts, and the weights of those chosen
place    where an expert stands in a row whose length is a power of two
slot     the first, second … k-th that a token chooses; equal ones in order of their numbers
d, g     the gradients of the weights, each in the place of its expert, and of the logits
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from ..operators import NAMESPACE
from .launch import launch, pieces

# 1 of 8 experts, sigmoid


@triton.jit(do_not_specialize=["rows"])
def route_forward(logits, weights, chosen, rows, ROWS: tl.constexpr):
    """The experts of each token, the best first, and their weights: twice (R, 1)."""
    row = (tl.program_id(0) * ROWS + tl.arange(0, ROWS)).to(tl.int64)[:, None]
    place, slot = tl.arange(0, 8)[None, :], tl.arange(0, 1)[None, :]
    inside = row < rows
    z = tl.load(logits + row * 8 + place, mask=inside, other=0.0).to(tl.float32)
    choice = z
    # A score that is no number is the best, so that its place is one of an expert.
    choice = tl.where(choice >= float("-inf"), choice, float("inf"))
    w = tl.full((ROWS, 1), float("-inf"), tl.float32)
    picks = tl.zeros((ROWS, 1), tl.int32)
    for number in range(1):
        best, at = tl.max(choice, axis=1, return_indices=True, keep_dims=True)
        w = tl.where(slot == number, best, w)
        picks = tl.where(slot == number, at, picks)
        choice = tl.where(place == at, float("-inf"), choice)
    w = tl.sigmoid(w)
    inside, at = (row < rows) & (slot < 1), row * 1 + slot
    tl.store(weights + at, w, mask=inside)
    tl.store(chosen + at, picks, mask=inside)


@triton.jit(do_not_specialize=["rows"])
def route_backward(grad_weights, logits, picks, grad_logits, rows, ROWS: tl.constexpr):
    """The gradients of the logits from those of the weights of the chosen."""
    row = (tl.program_id(0) * ROWS + tl.arange(0, ROWS)).to(tl.int64)[:, None]
    expert = tl.arange(0, 8)[None, :]
    inside = row < rows
    z = tl.load(logits + row * 8 + expert, mask=inside, other=0.0).to(tl.float32)
    d = tl.zeros((ROWS, 8), tl.float32)
    chosen = d > 0.0
    for number in range(1):
        at = row * 1 + number
        here = expert == tl.load(picks + at, mask=row < rows, other=0)
        d = tl.where(here, tl.load(grad_weights + at, mask=row < rows, other=0.0).to(tl.float32), d)
        chosen = chosen | here
    s = tl.sigmoid(z)
    g = d * s * (1.0 - s)
    tl.store(grad_logits + row * 8 + expert, g, mask=inside)


def route(logits: Tensor) -> tuple[Tensor, Tensor]:
    """Weights and numbers of the experts of each token: (N, 8) → twice (N, 1)."""
    return _route(logits.contiguous())


@torch.library.custom_op(f"{NAMESPACE}::route", mutates_args=())
def _route(logits: Tensor) -> tuple[Tensor, Tensor]:
    rows = logits.shape[0]
    weights = logits.new_empty(rows, 1)
    chosen = logits.new_empty(rows, 1, dtype=torch.int64)
    tensors = (logits, weights, chosen)
    grid = (pieces(rows, 256),)
    launch(route_forward, grid, *tensors, rows, ROWS=256, num_warps=4)
    return weights, chosen


@_route.register_fake
def _(logits: Tensor) -> tuple[Tensor, Tensor]:
    weights = logits.new_empty(logits.shape[0], 1)
    return weights, torch.empty_like(weights, dtype=torch.int64)


@torch.library.custom_op(f"{NAMESPACE}::route_backward", mutates_args=())
def _route_grad(grad_weights: Tensor, logits: Tensor, chosen: Tensor) -> Tensor:
    grad_logits, rows = torch.empty_like(logits), logits.shape[0]
    tensors = (grad_weights.contiguous(), logits, chosen, grad_logits)
    grid = (pieces(rows, 256),)
    launch(route_backward, grid, *tensors, rows, ROWS=256, num_warps=4)
    return grad_logits


@_route_grad.register_fake
def _(grad_weights: Tensor, logits: Tensor, chosen: Tensor) -> Tensor:
    return torch.empty_like(logits)


_route.register_autograd(
    lambda ctx, grad_weights, _: _route_grad(grad_weights, *ctx.saved_tensors),
    setup_context=lambda ctx, inputs, output: ctx.save_for_backward(inputs[0], output[1]),
)
