"""Operators that several mechanisms share, made from the parts of a spec."""

from __future__ import annotations

from math import prod

from archspec.architecture.graph import Operator, Parameter
from archspec.spec.norm import Norm


def norm_operator(
    name: str, norm: Norm, width: int, shape: tuple[int, ...] = (), heads: int | None = None
) -> Operator:
    """A norm over the last `width` numbers of a value of `shape`; `heads` have a weight each."""
    size = (width,) if heads is None else (heads, width)
    weights = [Parameter(f"{name}.weight", size, keeps=True)] if norm.weight else []
    if norm.bias:
        weights.append(Parameter(f"{name}.bias", size))
    details = ["scale 1 + w"] if norm.zero_centered else []
    details += ["no weight"] if not norm.weight else []
    detail = ", ".join(details)
    return Operator(name, "norm", norm.caption(), shape or (width,), tuple(weights), detail=detail)


def convolution(
    name: str,
    tokens: int,
    shape: tuple[int, ...],
    bias: bool = False,
    label: str = "Convolution",
) -> Operator:
    """A convolution over the last `tokens` of a value of `shape`, each channel by itself."""
    channels = prod(shape)
    weights = [Parameter(f"{name}.weight", (channels, 1, tokens), keeps=True)]
    if bias:
        weights.append(Parameter(f"{name}.bias", (channels,)))
    return Operator(
        name,
        "conv",
        label,
        shape,
        tuple(weights),
        per_token=2 * channels * tokens,
        detail=f"{tokens} tokens",
    )
