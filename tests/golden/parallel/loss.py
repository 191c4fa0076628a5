# Built by archspec 0.1.0 from parallel.yaml; edit the spec and build again.
"""The loss, computed 4096 tokens at a time so that the logits are never stored whole."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .kernels import use_kernels
from .operators import NAMESPACE, in_autocast


def next_token_loss(x: Tensor, weight: Tensor, bias: Tensor | None, labels: Tensor) -> Tensor:
    """Mean cross-entropy of each next token; x (B, T, C), weight (V, C), labels (B, T)."""
    hidden = x[:, :-1].flatten(0, 1)  # (N, C)
    return LinearCrossEntropy.apply(hidden, weight, bias, labels[:, 1:].flatten())


class LinearCrossEntropy(torch.autograd.Function):
    """Cross-entropy of x weightᵀ + bias, with its gradients computed in the same pass."""

    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor, bias: Tensor | None, target: Tensor) -> Tensor:
        ctx.dtype = weight.dtype
        x, weight = in_autocast(x), in_autocast(weight)
        bias = None if bias is None else in_autocast(bias)
        # In a graph of torch.compile it is one operator, so that one graph serves any length.
        rows = linear_cross_entropy if torch.compiler.is_compiling() else by_rows
        total, *grads = rows(x, weight, bias, target, list(ctx.needs_input_grad[:3]))
        count = (target != -100).sum().clamp(min=1)
        ctx.save_for_backward(*grads, count)
        return total / count

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, *grad_outputs: Tensor):  # pyright: ignore[reportIncompatibleMethodOverride]
        *grads, count = ctx.saved_tensors
        share = grad_outputs[0] / count  # last, as gradients for each label fit into float16
        found = [(g.to(share.dtype) * share).to(ctx.dtype) if g.numel() else None for g in grads]
        return (*found, None)


def by_rows(
    x: Tensor, weight: Tensor, bias: Tensor | None, target: Tensor, needs: list[bool]
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The sum of all losses, and its gradients for x, weight and bias, each where it `needs` it.

    It goes over 4096 rows of x (N, C) and target (N,) at a time: their logits give the loss and
    at once the gradients, so that neither the logits nor their gradients are ever held for all
    tokens. What is not needed has no numbers.
    """
    wide = torch.promote_types(x.dtype, torch.float32)
    total = x.new_zeros((), dtype=wide)
    grad_x = x.new_empty(x.shape if needs[0] else 0)
    grad_weight, grad_bias = x.new_empty(0), x.new_empty(0)
    for first in range(0, x.shape[0], 4096):
        rows = slice(first, first + 4096)
        logits = F.linear(x[rows], weight, bias)  # (4096, V)
        if use_kernels(logits):
            from .kernels import loss as loss_kernels

            total += loss_kernels.rows_loss(logits, target[rows], any(needs))
            grad = logits  # their gradient has taken their place
        else:
            loss, grad = rows_loss(logits.to(wide), target[rows], any(needs))
            total += loss
        if not any(needs):
            continue
        small = grad.to(x.dtype)
        if needs[0]:
            grad_x[rows] = small @ weight
        if needs[1]:
            part = small.t() @ x[rows]
            grad_weight = grad_weight.add_(part) if first else part.to(wide)
        if needs[2]:
            part = grad.sum(dim=0, dtype=wide)
            grad_bias = grad_bias.add_(part) if first else part
    return total, grad_x, grad_weight, grad_bias


@torch.library.custom_op(f"{NAMESPACE}::linear_cross_entropy", mutates_args=())
def linear_cross_entropy(
    x: Tensor, weight: Tensor, bias: Tensor | None, target: Tensor, needs: list[bool]
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """`by_rows` as an operator."""
    return by_rows(x, weight, bias, target, needs)


@linear_cross_entropy.register_fake
def _(
    x: Tensor, weight: Tensor, bias: Tensor | None, target: Tensor, needs: list[bool]
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    wide = torch.promote_types(x.dtype, torch.float32)
    return (
        x.new_empty((), dtype=wide),
        x.new_empty(x.shape if needs[0] else 0),
        x.new_empty(weight.shape, dtype=wide) if needs[1] else x.new_empty(0),
        x.new_empty(weight.shape[:1], dtype=wide) if needs[2] else x.new_empty(0),
    )


def rows_loss(logits: Tensor, labels: Tensor, gradients: bool) -> tuple[Tensor, Tensor]:
    """The losses of rows, added up, and the gradient of `logits`; (R, V), (R,) → (), (R, V).

    Without `gradients` the second is of no use.
    """
    logits = logits * 0.25
    log_p = F.log_softmax(logits, dim=-1)
    loss = F.nll_loss(log_p, labels, ignore_index=-100, reduction="sum")
    if not gradients:
        return loss, logits
    # d loss / d logits = softmax(logits) − one-hot(label), for rows that have a label.
    grad = log_p.exp_()
    grad.scatter_add_(1, labels.clamp(min=0)[:, None], -torch.ones_like(grad[:, :1]))
    grad.mul_((labels != -100)[:, None])
    grad.mul_(0.25)
    return loss, grad
