# Built by archspec 0.1.0 from sparse.yaml; edit the spec and build again.
"""Tokens to the rows of their experts and back: N tokens, k experts of each, E experts."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from .kernels import use_kernels
from .operators import NAMESPACE, in_autocast


class Pairs(NamedTuple):
    """Pairs of a token and an expert it chose, sorted by expert: each meets its tokens at once."""

    expert: Tensor  # (k·N,), of each sorted pair
    order: Tensor  # (k·N,), which pair that is; pairs of a token lie side by side
    ends: Tensor  # (E,), where the pairs of each expert end
    each: int  # k


def sort_pairs(chosen: Tensor, experts: int) -> Pairs:
    """The pairs of N tokens with the numbers of their experts, (N, k)."""
    expert, order = chosen.flatten().sort(stable=True)
    numbers = torch.arange(experts, device=chosen.device)
    ends = torch.searchsorted(expert, numbers, right=True)
    return Pairs(expert, order, ends, chosen.shape[1])


def to_rows(x: Tensor, weight: Tensor, pairs: Pairs) -> Tensor:
    """Tokens through the map of each pair's expert: (N, in), (E, out, in) → (k·N, out), sorted."""
    if use_kernels(x, weight):
        from .kernels import experts as kernels

        return kernels.to_rows(x, weight, pairs.order, pairs.ends, pairs.each)
    rows = grouped_linear(x[pairs.order // pairs.each], weight, pairs.ends)
    return rows


def to_pairs(rows: Tensor, weight: Tensor, pairs: Pairs) -> Tensor:
    """Sorted rows through the map of their expert: (k·N, in), (E, out, in) → (k·N, out) by token."""
    if use_kernels(rows, weight):
        from .kernels import experts as kernels

        return kernels.to_pairs(rows, weight, pairs.order, pairs.ends)
    out = grouped_linear(rows, weight, pairs.ends)
    return torch.empty_like(out).index_copy(0, pairs.order, out)


def combine(out: Tensor, weights: Tensor) -> Tensor:
    """Σ weights · out over the pairs of each token: (k·N, C), (N, k) → (N, C)."""
    if use_kernels(out, weights):
        from .kernels import combine as kernels

        return kernels.combine(out, weights)
    return (out.unflatten(0, weights.shape) * weights[..., None]).sum(dim=1)


def grouped_linear(x: Tensor, weight: Tensor, ends: Tensor) -> Tensor:
    """Rows ends[g − 1] … ends[g] of x times weight[g]ᵀ: (N, in), (G, out, in), (G,) → (N, out).

    `ends` grows and its last number is N. Groups without rows cost nothing.
    """
    return _grouped_linear(in_autocast(x), in_autocast(weight), ends)


@torch.library.custom_op(f"{NAMESPACE}::grouped_linear", mutates_args=())
def _grouped_linear(x: Tensor, weight: Tensor, ends: Tensor) -> Tensor:
    if x.is_cuda and x.dtype == torch.bfloat16:
        return F.grouped_mm(x, weight.mT, offs=ends.to(torch.int32))
    out = x.new_empty(x.shape[0], weight.shape[1])
    start = 0
    for group, end in enumerate(ends.tolist()):
        if end > start:
            torch.mm(x[start:end], weight[group].t(), out=out[start:end])
        start = end
    return out


@_grouped_linear.register_fake
def _(x: Tensor, weight: Tensor, ends: Tensor) -> Tensor:
    return x.new_empty(x.shape[0], weight.shape[1])


@torch.library.custom_op(f"{NAMESPACE}::grouped_outer", mutates_args=())
def grouped_outer(grad: Tensor, x: Tensor, ends: Tensor) -> Tensor:
    """gradᵀ x within each group: (N, out), (N, in), (G,) → (G, out, in)."""
    if x.is_cuda and x.dtype == torch.bfloat16:
        return F.grouped_mm(grad.t(), x, offs=ends.to(torch.int32))
    out = x.new_empty(ends.shape[0], grad.shape[1], x.shape[1])
    start = 0
    for group, end in enumerate(ends.tolist()):
        torch.mm(grad[start:end].t(), x[start:end], out=out[group])  # zeros where there are none
        start = end
    return out


@grouped_outer.register_fake
def _(grad: Tensor, x: Tensor, ends: Tensor) -> Tensor:
    return x.new_empty(ends.shape[0], grad.shape[1], x.shape[1])


def _save(ctx, inputs, output):
    ctx.save_for_backward(*inputs)


def _backward(ctx, grad):
    x, weight, ends = ctx.saved_tensors
    grad = grad.contiguous()
    grad_x = _grouped_linear(grad, weight.mT, ends) if ctx.needs_input_grad[0] else None
    grad_weight = grouped_outer(grad, x, ends) if ctx.needs_input_grad[1] else None
    return grad_x, grad_weight, None


_grouped_linear.register_autograd(_backward, setup_context=_save)
