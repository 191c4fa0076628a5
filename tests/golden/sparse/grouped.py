# Built by archspec 0.1.0 from sparse.yaml; edit the spec and build again.
"""One linear map for each group of rows: what sorted experts compute."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .operators import NAMESPACE, in_autocast


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
