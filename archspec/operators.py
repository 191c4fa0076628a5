"""Operators that several mechanisms share, made from the parts of a spec."""

from __future__ import annotations

from archspec.graph import Operator, Parameter
from archspec.spec.norm import Norm


def norm_operator(name: str, norm: Norm, width: int, shape: tuple[int, ...] = ()) -> Operator:
    """A norm over the last `width` numbers of a value of `shape`."""
    weights = [Parameter(f"{name}.weight", (width,))]
    if norm.bias:
        weights.append(Parameter(f"{name}.bias", (width,)))
    detail = "scale 1 + w" if norm.zero_centered else ""
    return Operator(name, "norm", norm.caption(), shape or (width,), tuple(weights), detail=detail)
