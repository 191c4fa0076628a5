"""Layers called as a model calls them: padding taken out in front, and put back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

import torch
from torch import Tensor


def read_padded(
    package: Any,
    layer: Callable[[Tensor, Any, Any], Tensor],
    x: Tensor,
    real: Tensor | None,
    sizes: Sequence[int],
    cache: Any,
) -> Tensor:
    """What `layer` gives for x (B, T, C) in parts of these sizes, as `real` (B, T) says."""
    step_file, padding = (import_module(f"{package.__name__}.{n}") for n in ("step", "padding"))
    found, starts, start = list[Tensor](), None, 0
    for size in sizes:
        part, fronted = x[:, start : start + size], None
        if real is not None:
            fronted = padding.front(real[:, start : start + size], part.shape[:2])
            part = fronted.move(part)
        of = None if fronted is None else fronted.real
        step = step_file.make_step(start, size, of, x, starts)
        out = layer(part, step, cache)
        if hasattr(step, "settle"):
            step.settle()
        found.append(out if fronted is None else fronted.back(out))
        starts, start = step.ends, start + size
    return torch.cat(found, dim=1)
