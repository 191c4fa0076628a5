# Built by archspec 0.1.0 from hybrid.yaml; edit the spec and build again.
"""Routers: scores of experts, the choice of a token and its weights in one pass over its logits.

logits   (R, E), a row for each token; a program has ROWS of them in hand, in float32 as `z`
s, w     the scores of all experts, and the weights of those chosen
place    where an expert stands in a row of COLUMNS, a power of two
slot     the first, second … TOP_K-th that a token chooses; equal ones in order of their numbers
d, g     the gradients of the weights, each in the place of its expert, and of the logits
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from ..operators import NAMESPACE
from .launch import launch, pieces

# 2 of 8 experts, softmax


@triton.jit(do_not_specialize=["rows"])
def route_forward(
    logits,
    weights,
    chosen,
    rows,
    EXPERTS: tl.constexpr,
    TOP_K: tl.constexpr,
    SLOTS: tl.constexpr,
    COLUMNS: tl.constexpr,
    ROWS: tl.constexpr,
):
    """The experts of each token, the best first, and their weights: twice (R, TOP_K)."""
    row = (tl.program_id(0) * ROWS + tl.arange(0, ROWS)).to(tl.int64)[:, None]
    place, slot = tl.arange(0, COLUMNS)[None, :], tl.arange(0, SLOTS)[None, :]
    real = place < EXPERTS
    inside = row < rows
    if COLUMNS > EXPERTS:  # some places hold no expert
        inside = inside & real
    z = tl.load(logits + row * EXPERTS + place, mask=inside, other=0.0).to(tl.float32)
    if COLUMNS > EXPERTS:
        z = tl.where(real, z, float("-inf"))
    choice = z
    # A score that is no number is the best, so that its place is one of an expert.
    choice = tl.where(choice >= float("-inf"), choice, float("inf"))
    w = tl.full((ROWS, SLOTS), float("-inf"), tl.float32)
    picks = tl.zeros((ROWS, SLOTS), tl.int32)
    for number in range(TOP_K):
        best, at = tl.max(choice, axis=1, return_indices=True, keep_dims=True)
        w = tl.where(slot == number, best, w)
        picks = tl.where(slot == number, at, picks)
        choice = tl.where(place == at, float("-inf"), choice)
    w = tl.exp(w - tl.max(w, axis=1, keep_dims=True))
    w /= tl.sum(w, axis=1, keep_dims=True)
    inside, at = (row < rows) & (slot < TOP_K), row * TOP_K + slot
    tl.store(weights + at, w, mask=inside)
    tl.store(chosen + at, picks, mask=inside)


@triton.jit(do_not_specialize=["rows"])
def route_backward(
    grad_weights,
    logits,
    picks,
    grad_logits,
    rows,
    EXPERTS: tl.constexpr,
    TOP_K: tl.constexpr,
    COLUMNS: tl.constexpr,
    ROWS: tl.constexpr,
):
    """The gradients of the logits from those of the weights of the chosen."""
    row = (tl.program_id(0) * ROWS + tl.arange(0, ROWS)).to(tl.int64)[:, None]
    expert = tl.arange(0, COLUMNS)[None, :]
    inside = row < rows
    if COLUMNS > EXPERTS:
        inside = inside & (expert < EXPERTS)
    z = tl.load(logits + row * EXPERTS + expert, mask=inside, other=0.0).to(tl.float32)
    d = tl.zeros((ROWS, COLUMNS), tl.float32)
    chosen = d > 0.0
    for number in range(TOP_K):
        at = row * TOP_K + number
        here = expert == tl.load(picks + at, mask=row < rows, other=0)
        d = tl.where(here, tl.load(grad_weights + at, mask=row < rows, other=0.0).to(tl.float32), d)
        chosen = chosen | here
    z = tl.where(chosen, z, float("-inf"))
    s = tl.exp(z - tl.max(z, axis=1, keep_dims=True))
    s /= tl.sum(s, axis=1, keep_dims=True)
    g = s * (d - tl.sum(d * s, axis=1, keep_dims=True))
    tl.store(grad_logits + row * EXPERTS + expert, g, mask=inside)


def route(logits: Tensor, top_k: int) -> tuple[Tensor, Tensor]:
    """Weights and numbers of the experts of each token: (N, E) → twice (N, k)."""
    return _route(logits.contiguous(), top_k)


@torch.library.custom_op(f"{NAMESPACE}::route", mutates_args=())
def _route(logits: Tensor, top_k: int) -> tuple[Tensor, Tensor]:
    rows, experts = logits.shape
    weights = logits.new_empty(rows, top_k)
    chosen = logits.new_empty(rows, top_k, dtype=torch.int64)
    tensors = (logits, weights, chosen)
    sizes = chosen_of(experts, top_k)
    grid = (pieces(rows, sizes["ROWS"]),)
    launch(route_forward, grid, *tensors, rows, **sizes)
    return weights, chosen


@_route.register_fake
def _(logits: Tensor, top_k: int) -> tuple[Tensor, Tensor]:
    weights = logits.new_empty(logits.shape[0], top_k)
    return weights, torch.empty_like(weights, dtype=torch.int64)


@torch.library.custom_op(f"{NAMESPACE}::route_backward", mutates_args=())
def _route_grad(grad_weights: Tensor, logits: Tensor, chosen: Tensor) -> Tensor:
    grad_logits, rows = torch.empty_like(logits), logits.shape[0]
    tensors = (grad_weights.contiguous(), logits, chosen, grad_logits)
    sizes = tiles_of(logits.shape[1], chosen.shape[1])
    grid = (pieces(rows, sizes["ROWS"]),)
    launch(route_backward, grid, *tensors, rows, **sizes)
    return grad_logits


@_route_grad.register_fake
def _(grad_weights: Tensor, logits: Tensor, chosen: Tensor) -> Tensor:
    return torch.empty_like(logits)


def _route_save(ctx, inputs, output):
    logits, _ = inputs
    ctx.save_for_backward(logits, output[1])


def _route_grads(ctx, grad_weights, _):
    return _route_grad(grad_weights, *ctx.saved_tensors), None


_route.register_autograd(_route_grads, setup_context=_route_save)


def tiles_of(experts: int, top_k: int) -> dict[str, int]:
    """Rows of as many places as the power of two from the number of experts on."""
    if top_k > experts:
        raise ValueError(f"cannot choose {top_k} of {experts} experts")
    columns = 1 << (experts - 1).bit_length()
    return {"EXPERTS": experts, "TOP_K": top_k} | _rows(columns)


def _rows(columns: int) -> dict[str, int]:
    """2,048 places at once."""
    rows, warps = max(1, 2048 // columns), min(16, max(4, columns // 512))
    return {"COLUMNS": columns, "ROWS": rows, "num_warps": warps}


def chosen_of(experts: int, top_k: int) -> dict[str, int]:
    """Where experts are chosen: the slots of the chosen as well."""
    return tiles_of(experts, top_k) | {"SLOTS": 1 << (top_k - 1).bit_length()}
