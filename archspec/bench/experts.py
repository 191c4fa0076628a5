"""What the operators of experts compute, in PyTorch's operators."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor


def expert_linear(x: Tensor, weight: Tensor, *rest: Any) -> Tensor:
    """Each expert's rows times its weight, an expert after the other.

    x (N, in) and weight (E, out, in); then, where there are such, biases (E, out); then the pair
    of each row (R,), the row behind each expert's last (E,), and k: the pairs of a token where the
    map reads tokens and gives rows (R, out), and 0 where it reads rows and gives pairs (R, out).
    """
    biases, order, ends, each = _given(rest)
    read = x[order // each] if each else x
    sizes = torch.diff(ends, prepend=ends.new_zeros(1)).tolist()
    parts = [
        F.linear(part, weight[expert], None if biases is None else biases[expert])
        for expert, part in enumerate(read.split(sizes))
    ]
    return _placed(torch.cat(parts), order, each)


def grouped_linear(x: Tensor, weight: Tensor, *rest: Any) -> Tensor:
    """The same by PyTorch's product of groups."""
    biases, order, ends, each = _given(rest)
    read = x[order // each] if each else x
    rows = F.grouped_mm(read, weight.mT, offs=ends.to(torch.int32))
    if biases is not None:
        experts = torch.searchsorted(ends, torch.arange(len(order), device=x.device), right=True)
        rows = rows + biases[experts]
    return _placed(rows, order, each)


def expert_combine(y: Tensor, weights: Tensor) -> Tensor:
    """Σ weights · y over the pairs of each token: (k·N, C), (N, k) → (N, C)."""
    return (y.view(*weights.shape, -1) * weights[..., None]).sum(dim=1).to(y.dtype)


FORMULAS: dict[str, Callable[..., Tensor]] = {
    "expert_linear": expert_linear,
    "expert_combine": expert_combine,
}


def _given(rest: tuple[Any, ...]) -> tuple[Tensor | None, Tensor, Tensor, int]:
    *biases, order, ends, each = rest
    return (biases[0] if biases else None), order, ends, each


def _placed(rows: Tensor, order: Tensor, each: int) -> Tensor:
    """Rows as they are, or each in the place of its pair."""
    return rows if each else torch.empty_like(rows).index_copy(0, order, rows)
