"""A recurrence in two forms: where they are found, and how they are compared."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from types import ModuleType

import torch
from conftest import EXAMPLES, Builder
from torch import Tensor

Function = Callable[..., tuple[Tensor, Tensor]]


def example(builder: Builder, mixer: str) -> ModuleType:
    """The package built from the example of a mixer."""
    (path,) = (path for path in EXAMPLES if path.parent.name == mixer)
    return builder.load(path.read_text(encoding="utf-8"))


def file_of(builder: Builder, mixer: str, file: str) -> ModuleType:
    """One file of that package."""
    return import_module(f"{example(builder, mixer).__name__}.{file}")


def assert_equal(first: Function, second: Function, given: tuple[Tensor, ...]) -> None:
    """In float64: values to 1e-10 and gradients to 1e-8, for outputs and the state after them."""
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


def assert_finite(function: Function, given: tuple[Tensor, ...]) -> None:
    """Outputs, state and gradients in float32, where the second input decays 300 times faster."""
    inputs = [tensor.float() for tensor in given]
    inputs[1] = inputs[1] * 300
    inputs = [tensor.requires_grad_() for tensor in inputs]
    y, state = function(*inputs)
    grads = torch.autograd.grad(y.sum() + state.sum(), inputs)
    assert all(tensor.isfinite().all() for tensor in (y, state, *grads))
