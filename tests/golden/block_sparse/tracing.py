# Built by archspec 0.1.0 from block-sparse.yaml; edit the spec and build again.
"""What happens inside of the model as it reads a text: to be looked at, not to be fast."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn

from . import attention, kernels
from .padding import in_front

if TYPE_CHECKING:
    from .model import Model


class Trace(NamedTuple):
    """What the layers gave, in order; every token stands where it was given."""

    hidden_states: list[Tensor]  # (B, T, C): what enters the first layer, and what each gives
    attentions: list[list[Tensor]]  # (B, H, T, T): of each attention in a layer, for each layer


@torch.no_grad()
def trace(model: Model, input_ids: Tensor, attention_mask: Tensor | None = None) -> Trace:
    """What each layer gives for a text, and where each head looks.

    The weights of attention are what it makes of an identity matrix in place of values, in
    PyTorch's operators. The rows and columns of padding are of no use.

    Args:
        model: The model.
        input_ids: (B, T) token ids.
        attention_mask: (B, T), 1 for a real token.
    """
    fronted = None if attention_mask is None else in_front(attention_mask)
    states: list[Tensor] = []
    weights: list[list[Tensor]] = []

    def enter(_: nn.Module, given: tuple[Any, ...]) -> None:
        if not states:
            states.append(given[0])
        weights.append([])

    def leave(_: nn.Module, __: tuple[Any, ...], given: Tensor) -> None:
        states.append(given)

    layers = list(dict.fromkeys(model.layers))
    hooks = [layer.register_forward_pre_hook(enter) for layer in layers]
    hooks += [layer.register_forward_hook(leave) for layer in layers]
    try:
        with looking(lambda seen: weights[-1].append(seen)):
            model(input_ids, attention_mask, last_only=True)
    finally:
        for hook in hooks:
            hook.remove()
    if fronted is not None:
        states = [fronted.back(x) for x in states]
        for index, seen in enumerate(weights):  # of queries, then of keys
            turned = [fronted.back(x.transpose(1, 2)).transpose(1, 3) for x in seen]
            weights[index] = [fronted.back(x).permute(0, 2, 3, 1) for x in turned]
    return Trace(states, weights)


@contextmanager
def looking(seen: Callable[[Tensor], None]) -> Iterator[None]:
    """Hand the weights of every attention to `seen`, which is done without kernels."""
    found = [
        (module, name, function)
        for module in (attention,)
        for name, function in vars(module).items()
        if name.startswith("attend_")
    ]
    for module, name, function in found:
        setattr(module, name, looked_at(function, seen))
    try:
        with kernels.mode("reference"):
            yield
    finally:
        for module, name, function in found:
            setattr(module, name, function)


def looked_at(attend: Callable[..., Tensor], seen: Callable[[Tensor], None]) -> Any:
    """A function of queries, keys and values that does as `attend`, whose weights are `seen`."""

    def attend_and_tell(q: Tensor, k: Tensor, v: Tensor, *others: Any, **named: Any) -> Tensor:
        each = torch.eye(k.shape[2], dtype=v.dtype, device=v.device).expand(*k.shape[:2], -1, -1)
        own = dict(named)
        if "gate" in own:  # open, whatever it was
            own["gate"] = q.new_full((q.shape[0], q.shape[2], q.shape[1]), math.inf)
            own["activation"] = "sigmoid"
        seen(attend(q, k, each, *others, **own))
        return attend(q, k, v, *others, **named)

    return attend_and_tell
