# Built by archspec 0.1.0 from chunked.yaml; edit the spec and build again.
"""What this package computes, written out in float64 from the equations: slow, and obvious.

`python -m chunked.selftest` holds the functions of the package to these.
"""

from __future__ import annotations

import torch
from torch import Tensor


def grouped_linear(x: Tensor, weight: Tensor, ends: Tensor) -> Tensor:
    """One linear map for each group of rows: x[row] times weight[g]ᵀ, (N, in) → (N, out).

    Group g has the rows up to ends[g] that none before it has; weight is (G, out, in).
    """
    rows: list[Tensor] = []
    first = 0
    for group, end in enumerate(ends):
        last = int(end)
        if last > first:
            rows.append(x[first:last] @ weight[group].to(x.dtype).T)
        first = last
    return torch.cat(rows)
