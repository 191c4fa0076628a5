"""Linear maps, by the names of their tensors."""

from __future__ import annotations

from torch import Tensor


def linear(weights: dict[str, Tensor], name: str, x: Tensor) -> Tensor:
    """A linear map, W x + b where there is a b; `weights` has W (out, in) as `name.weight`."""
    y = x @ weights[f"{name}.weight"].T
    return y + weights[f"{name}.bias"] if f"{name}.bias" in weights else y


def part(weights: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors whose names begin with `prefix`, without it."""
    return {name[len(prefix) :]: w for name, w in weights.items() if name.startswith(prefix)}


def heads(x: Tensor, width: int) -> Tensor:
    """(B, T, H · width) → (B, T, H, width): a head's numbers lie side by side."""
    return x.reshape(*x.shape[:-1], -1, width)
