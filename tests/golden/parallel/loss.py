# Built by archspec 0.1.0 from parallel.yaml; edit the spec and build again.
"""The loss, computed 4096 tokens at a time so that the logits are never stored whole."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from .kernels import use_kernels
from .operators import NAMESPACE, in_autocast
from .padding import in_front


def next_labels(
    labels: Tensor,
    attention_mask: Tensor | None = None,
    text_ids: Tensor | None = None,
) -> Tensor:
    """The label of the token right after each in its text, −100 for none: (B, T)."""
    fronted = None if attention_mask is None else in_front(attention_mask)
    if fronted is not None:
        labels = fronted.move(labels).masked_fill(~fronted.real, -100)
    found = torch.full_like(labels, -100)
    found[:, :-1] = labels[:, 1:]
    if text_ids is not None:  # no token is asked for one of another text
        text_ids = text_ids if fronted is None else fronted.move(text_ids)
        found[:, :-1].masked_fill_(text_ids[:, 1:] != text_ids[:, :-1], -100)
    return found if fronted is None else fronted.back(found)


def count_labels(
    labels: Tensor,
    attention_mask: Tensor | None = None,
    text_ids: Tensor | None = None,
) -> Tensor:
    """How many tokens a call with these labels is asked for, (): the mean is the sum over that."""
    return (next_labels(labels, attention_mask, text_ids) != -100).sum()


REDUCTIONS = ("mean", "sum", "none")
ROWS = 4096  # whose logits are held at once


def token_loss(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    labels: Tensor,
    scale: float,
    reduction: str = "mean",
) -> Tensor:
    """Cross-entropy of x weightᵀ + bias; x (B, T, C), weight (V, C), labels (B, T), −100 for none.

    The mean of all labels, their sum, or with the `reduction` "none" that of each, (B, T).
    """
    if reduction not in REDUCTIONS:
        raise ValueError(f"reduction is {reduction!r}; expected 'mean', 'sum' or 'none'")
    if reduction == "none":
        return each_loss(lambda rows: F.linear(rows, weight, bias), x, labels, scale)
    total = LinearCrossEntropy.apply(x.flatten(0, 1), weight, bias, labels.flatten(), scale)
    return total if reduction == "sum" else total / asked(labels)


def asked(labels: Tensor) -> Tensor:
    """What the mean divides by: how many labels there are, or 1 where there is none."""
    return (labels != -100).sum().clamp(min=1)


def each_loss(head: Callable[[Tensor], Tensor], x: Tensor, labels: Tensor, scale: float) -> Tensor:
    """The loss of each token, (B, T), whose logits `head` makes of x (B, T, C).

    It goes over ROWS rows at a time, whose logits are made anew where the gradients need them.
    """
    hidden, target = x.flatten(0, 1), labels.flatten()
    # A graph has one block of all rows, since it could not be of any length with more.
    size = hidden.shape[0] if torch.compiler.is_compiling() else ROWS
    parts = [
        checkpoint(called_loss, head, *rows, scale, use_reentrant=False)
        for rows in zip(hidden.split(size), target.split(size), strict=True)
    ]
    return torch.cat(parts).view(labels.shape)


def called_loss(
    head: Callable[[Tensor], Tensor], x: Tensor, labels: Tensor, scale: float
) -> Tensor:
    """The loss of each row, whose logits `head` makes; (R, C), (R,) → (R,)."""
    logits = head(x)
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    logits = logits * scale
    return F.cross_entropy(logits, labels, ignore_index=-100, reduction="none")


class LinearCrossEntropy(torch.autograd.Function):
    """The sum of all losses of x weightᵀ + bias, with its gradients computed in the same pass."""

    @staticmethod
    def forward(
        ctx, x: Tensor, weight: Tensor, bias: Tensor | None, target: Tensor, scale: float
    ) -> Tensor:
        ctx.dtype = weight.dtype
        x, weight = in_autocast(x), in_autocast(weight)
        bias = None if bias is None else in_autocast(bias)
        # In a graph of torch.compile it is one operator, so that one graph serves any length.
        rows = linear_cross_entropy if torch.compiler.is_compiling() else by_rows
        total, *grads = rows(x, weight, bias, target, list(ctx.needs_input_grad[:3]), scale)
        ctx.save_for_backward(*grads)
        return total

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, *grad_outputs: Tensor):  # pyright: ignore[reportIncompatibleMethodOverride]
        share = grad_outputs[0]  # last, as gradients for each label fit into float16
        grads = ctx.saved_tensors
        found = [(g.to(share.dtype) * share).to(ctx.dtype) if g.numel() else None for g in grads]
        return (*found, None, None)


def by_rows(
    x: Tensor, weight: Tensor, bias: Tensor | None, target: Tensor, needs: list[bool], scale: float
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The sum of all losses, and its gradients for x, weight and bias, each where it `needs` it.

    It goes over ROWS rows of x (N, C) and target (N,) at a time: their logits give the loss and
    at once the gradients, so that neither the logits nor their gradients are ever held for all
    tokens. What is not needed has no numbers.
    """
    wide = torch.promote_types(x.dtype, torch.float32)
    total = x.new_zeros((), dtype=wide)
    grad_x = x.new_empty(x.shape if needs[0] else 0)
    grad_weight, grad_bias = x.new_empty(0), x.new_empty(0)
    for first in range(0, x.shape[0], ROWS):
        rows = slice(first, first + ROWS)
        logits = F.linear(x[rows], weight, bias)  # (ROWS, V)
        if use_kernels(logits):
            from .kernels import loss as kernels

            total += kernels.rows_loss(logits, target[rows], any(needs), scale)
            grad = logits  # their gradient has taken their place
        else:
            loss, grad = rows_loss(logits.to(wide), target[rows], any(needs), scale)
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
    x: Tensor, weight: Tensor, bias: Tensor | None, target: Tensor, needs: list[bool], scale: float
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """`by_rows` as an operator."""
    return by_rows(x, weight, bias, target, needs, scale)


@linear_cross_entropy.register_fake
def _(
    x: Tensor, weight: Tensor, bias: Tensor | None, target: Tensor, needs: list[bool], scale: float
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    wide = torch.promote_types(x.dtype, torch.float32)
    return (
        x.new_empty((), dtype=wide),
        x.new_empty(x.shape if needs[0] else 0),
        x.new_empty(weight.shape, dtype=wide) if needs[1] else x.new_empty(0),
        x.new_empty(weight.shape[:1], dtype=wide) if needs[2] else x.new_empty(0),
    )


def rows_loss(
    logits: Tensor, labels: Tensor, gradients: bool, scale: float
) -> tuple[Tensor, Tensor]:
    """The losses of rows, added up, and the gradient of `logits`; (R, V), (R,) → (), (R, V).

    Without `gradients` the second is of no use.
    """
    logits = logits * scale
    log_p = F.log_softmax(logits, dim=-1)
    loss = F.nll_loss(log_p, labels, ignore_index=-100, reduction="sum")
    if not gradients:
        return loss, logits
    # d loss / d logits = softmax(logits) − one-hot(label), for rows that have a label.
    grad = log_p.exp_()
    grad.scatter_add_(1, labels.clamp(min=0)[:, None], -torch.ones_like(grad[:, :1]))
    grad.mul_((labels != -100)[:, None])
    grad.mul_(scale)
    return loss, grad
