"""How far a kernel may be from the truth, and what it was launched with."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor

Function = Callable[..., Tensor]


def drawn(*shape: int, seed: int = 0, scale: float = 1.0) -> Tensor:
    """Float64 numbers that float16 can hold."""
    made = torch.randn(*shape, generator=torch.Generator().manual_seed(seed)) * scale
    return made.half().double()


def results(function: Function, inputs: list[Tensor], dtype: torch.dtype) -> list[Tensor]:
    """What a function gives, and its gradients for every input, in float64."""
    own = [x.to(dtype).detach().requires_grad_() for x in inputs]
    out = function(*own)
    weight = drawn(*out.shape, seed=9) if out.ndim else torch.ones((), dtype=torch.float64)
    grads = torch.autograd.grad(out, own, weight.to(out.dtype))
    return [out.detach().double(), *(grad.double() for grad in grads)]


def distance(found: Tensor, truth: Tensor) -> float:
    """The largest difference, beside the largest number."""
    return ((found - truth).abs().max() / truth.abs().max().clamp(min=1e-30)).item()


def agrees(kernel: Function, reference: Function, *inputs: Tensor) -> None:
    """`kernel` is `reference` in float64: to 1e-5 in float32, in float16 to twice PyTorch's error.

    The smallest error held against it there is one rounding of the result.
    """
    truth = results(reference, list(inputs), torch.float64)
    for found, true in zip(results(kernel, list(inputs), torch.float32), truth, strict=True):
        assert distance(found, true) < 1e-5
    half = results(kernel, list(inputs), torch.float16)
    torchs = results(reference, list(inputs), torch.float16)
    for found, own, true in zip(half, torchs, truth, strict=True):
        assert distance(found, true) <= 2 * max(distance(own, true), 2.0**-11)


def binaries(module: ModuleType) -> list[Any]:
    """What a package lists of a file of kernels, to compile ahead of time."""
    ahead = importlib.import_module(f"{module.__package__}.ahead")
    return getattr(ahead, f"{module.__name__.rpartition('.')[2]}_variants")()


def launches(module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """A list that fills with what would make Triton compile another binary.

    That is each kernel with its constants, and the type of every argument. Pointers count with
    whether 16 divides them, where a kernel wants to know. Numbers that a kernel
    specialises on count by their value; those under do_not_specialize by their type alone.
    """
    seen: list[tuple[Any, ...]] = []
    launch = module.launch

    def key(name: str, value: Any, free: list[str], anywhere: list[str]) -> object:
        if isinstance(value, Tensor):
            return value.dtype, name in anywhere or value.data_ptr() % 16 == 0
        return type(value) if isinstance(value, float) or name in free else value

    def noting(kernel: Any, grid: Any, *arguments: Any, **constants: Any) -> None:
        given = kernel.kwargs
        free = given.get("do_not_specialize") or []
        anywhere = given.get("do_not_specialize_on_alignment") or []
        named = zip(kernel.arg_names, arguments, strict=False)
        keys = [key(name, value, free, anywhere) for name, value in named]
        seen.append((kernel.__name__, *keys, *sorted(constants.items())))
        launch(kernel, grid, *arguments, **constants)

    monkeypatch.setattr(module, "launch", noting)
    return seen
