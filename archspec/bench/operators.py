"""The operators that a package registers for its kernels, as its model calls them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from .package import Package


@dataclass(frozen=True)
class Called:
    """One operator with the arguments that the model gave it."""

    name: str
    operator: Any
    arguments: tuple[Any, ...]
    in_backward: bool
    """Whether a backward pass called it."""

    @property
    def shapes(self) -> tuple[Any, ...]:
        """What tells a call from others: the shapes and strides of tensors, and all else."""
        return tuple(
            (tuple(x.shape), x.stride(), x.dtype) if isinstance(x, Tensor) else repr(x)
            for x in self.arguments
        )

    @property
    def learned(self) -> bool:
        """Whether a gradient goes back through it: not, where a backward pass itself calls it."""
        return any(isinstance(x, Tensor) and self._wants(x) for x in self.arguments)

    def fresh(self) -> tuple[Any, ...]:
        """Its arguments copied, each with a gradient where the model wanted one."""
        return tuple(
            _strided(x).requires_grad_(self._wants(x)) if isinstance(x, Tensor) else x
            for x in self.arguments
        )

    def _wants(self, x: Tensor) -> bool:
        # What a backward pass saved of a weight still says that it has a gradient.
        return x.requires_grad and not self.in_backward


def _strided(x: Tensor) -> Tensor:
    """A copy with the same strides, of what lies between its numbers too."""
    room = 1 + sum((size - 1) * step for size, step in zip(x.shape, x.stride(), strict=True))
    if x.numel() == 0:
        return x.detach().clone()
    kept = x.detach().as_strided((room,), (1,)).clone()
    return kept.as_strided(x.shape, x.stride())


class _Watch(TorchDispatchMode):
    def __init__(self, namespace: str) -> None:
        super().__init__()
        self.namespace = namespace
        self.seen: dict[tuple[Any, ...], Called] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func.namespace == self.namespace:
            name = func._schema.name.partition("::")[2]
            # Whether a walk over the graph calls it, which no public function tells.
            inside = torch._C._current_graph_task_id() != -1  # pyright: ignore[reportPrivateUsage]
            called = Called(name, func, tuple(args), inside)
            if (key := (name, *called.shapes)) not in self.seen:
                # A copy, since some operators write over what they were given.
                self.seen[key] = Called(name, func, called.fresh(), inside)
        return func(*args, **(kwargs or {}))


def calls(package: Package, work: Callable[[], Any]) -> list[Called]:
    """The operators of a package that `work` calls, each with its first arguments of a shape."""
    with _Watch(package.module("operators").NAMESPACE) as watch:
        work()
    return list(watch.seen.values())


def learn(package: Package, model: Any, tokens: Tensor) -> dict[str, Tensor]:
    """What a model gives for tokens (B, T), its loss where it has one, and every gradient."""
    out = forward(package, model, tokens)
    (out if out.ndim == 0 else out.square().mean()).backward()
    found = {"the loss" if out.ndim == 0 else "what it gives": out.detach()}
    grads = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    return found | {f"the gradient of {name}": grad for name, grad in grads.items()}


def forward(package: Package, model: Any, tokens: Tensor) -> Tensor:
    """The loss, or what a model without a loss gives."""
    if package.facts["kind"] == "pair":
        labels = {"labels": tokens.roll(-1, 1)} if package.facts["head"] else {}
        return model(source(package, model, tokens), decoder_input_ids=tokens, **labels)
    return model(tokens, labels=tokens) if package.trains else model(tokens)


def source(package: Package, model: Any, tokens: Tensor) -> Tensor:
    """What a decoder beside an encoder reads: tokens (B, S), or states (B, S, C)."""
    if package.facts["encodes"]:
        return tokens
    like = next(model.parameters())
    random = torch.Generator(like.device).manual_seed(1)
    size = (*tokens.shape, package.facts["hidden_size"])
    return torch.randn(size, generator=random, device=like.device, dtype=like.dtype)
