"""Two functions that should give the same numbers, compared in float64 with their gradients."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Function = Callable[..., tuple[Tensor, Tensor]]


def assert_equal(first: Function, second: Function, given: tuple[Tensor, ...]) -> None:
    """Values to 1e-10 and gradients to 1e-8, for the outputs and the state after them."""
    found, expected = graded(first, given), graded(second, given)
    for number, (ours, theirs) in enumerate(zip(found, expected, strict=True)):
        limit = 1e-10 if number < 2 else 1e-8
        torch.testing.assert_close(ours, theirs, atol=limit, rtol=limit)


def graded(function: Function, given: tuple[Tensor, ...]) -> list[Tensor]:
    """Both outputs, and the gradient of a random sum of them for every input."""
    inputs = [tensor.detach().requires_grad_() for tensor in given]
    y, state = function(*inputs)
    generator = torch.Generator().manual_seed(3)
    total = (y * torch.randn(y.shape, generator=generator, dtype=y.dtype)).sum()
    total = total + (state * torch.randn(state.shape, generator=generator, dtype=y.dtype)).sum()
    return [y, state, *torch.autograd.grad(total, inputs)]
