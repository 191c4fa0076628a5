# Built by archspec 0.1.0 from block-sparse.yaml; edit the spec and build again.
"""The loss, computed 4096 tokens at a time so that the logits are never stored whole."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .launch import use_kernels


def next_token_loss(x: Tensor, weight: Tensor, bias: Tensor | None, labels: Tensor) -> Tensor:
    """Mean cross-entropy of each next token; x (B, T, C), weight (V, C), labels (B, T)."""
    hidden = x[:, :-1].flatten(0, 1)  # (N, C)
    return LinearCrossEntropy.apply(hidden, weight, bias, labels[:, 1:].flatten())


class LinearCrossEntropy(torch.autograd.Function):
    """Cross-entropy of x weightᵀ + bias, with its gradients computed in the same pass.

    The forward pass goes over 4096 rows at a time: their logits give the loss and at once the
    gradients, so that neither the logits nor their gradients are ever held for all tokens.
    """

    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor, bias: Tensor | None, target: Tensor) -> Tensor:
        count = (target != -100).sum().clamp(min=1)
        wide = torch.promote_types(x.dtype, torch.float32)
        total = x.new_zeros((), dtype=wide)
        needs = ctx.needs_input_grad[:3]
        grad_x = torch.empty_like(x) if needs[0] else None
        grad_weight = grad_bias = None
        for first in range(0, x.shape[0], 4096):
            rows = slice(first, first + 4096)
            logits = F.linear(x[rows], weight, bias)  # (4096, V)
            if use_kernels(logits):
                from . import loss_kernels

                total += loss_kernels.rows_loss(logits, target[rows], any(needs))
                grad = logits  # their gradient has taken their place
            else:
                loss, grad = rows_loss(logits.to(wide), target[rows], any(needs))
                total += loss
            if not any(needs):
                continue
            small = grad.to(x.dtype)
            if grad_x is not None:
                grad_x[rows] = small @ weight
            if needs[1]:
                part = small.t() @ x[rows]
                grad_weight = part.to(wide) if grad_weight is None else grad_weight.add_(part)
            if needs[2]:
                part = grad.sum(dim=0, dtype=wide)
                grad_bias = part if grad_bias is None else grad_bias.add_(part)
        ctx.save_for_backward(grad_x, grad_weight, grad_bias, count)
        ctx.dtype = weight.dtype
        return total / count

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, *grad_outputs: Tensor):  # pyright: ignore[reportIncompatibleMethodOverride]
        *grads, count = ctx.saved_tensors
        share = grad_outputs[0] / count  # last, as gradients for each label fit into float16
        found = [g if g is None else (g.to(share.dtype) * share).to(ctx.dtype) for g in grads]
        return (*found, None)


def rows_loss(logits: Tensor, labels: Tensor, gradients: bool) -> tuple[Tensor, Tensor]:
    """The losses of rows, added up, and the gradient of `logits`; (R, V), (R,) → (), (R, V).

    Without `gradients` the second is of no use.
    """
    log_p = F.log_softmax(logits, dim=-1)
    loss = F.nll_loss(log_p, labels, ignore_index=-100, reduction="sum")
    if not gradients:
        return loss, logits
    # d loss / d logits = softmax(logits) − one-hot(label), for rows that have a label.
    grad = log_p.exp_()
    grad.scatter_add_(1, labels.clamp(min=0)[:, None], -torch.ones_like(grad[:, :1]))
    grad.mul_((labels != -100)[:, None])
    return loss, grad
