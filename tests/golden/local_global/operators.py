# Built by archspec 0.1.0 from local-global.yaml; edit the spec and build again.
"""What the operators of this package have in common: their name, and the type they work in."""

from __future__ import annotations

import re
from zlib import crc32

import torch
import torch.nn.functional as F
from torch import Tensor

# Several packages may live in one process, so the operators are named after this one; the number
# keeps them apart from those of another name that reads the same, and from PyTorch's own.
_PACKAGE = __name__.rpartition(".")[0]
NAMESPACE = f"{re.sub('[^a-zA-Z0-9]', '_', _PACKAGE)}_{crc32(_PACKAGE.encode()):08x}"


def chunks(tokens: int, size: int) -> tuple[int, int]:
    """How many chunks of `size` hold so many tokens, and how many places they leave over.

    In a graph of torch.compile there are two chunks at least and some place is always left over:
    one chunk, or none left over, would each be another graph.
    """
    count = -(-tokens // size)
    if torch.compiler.is_compiling():
        count: int = torch.sym_max(tokens // size + 1, 2)  # pyright: ignore[reportAssignmentType]
    return count, count * size - tokens


def filled(x: Tensor, dim: int, places: int) -> Tensor:
    """x with so many zeros more at the end of a dimension.

    A graph of torch.compile, where there always are some, does not ask.
    """
    if not torch.compiler.is_compiling() and places == 0:
        return x
    return F.pad(x, (0, 0) * (x.ndim - 1 - dim % x.ndim) + (0, places))


def in_autocast(x: Tensor) -> Tensor:
    """x in the type that autocast asks of products where it is on, as PyTorch's own have it."""
    kind = x.device.type
    if x.is_meta or x.dtype == torch.float64 or not torch.is_autocast_enabled(kind):
        return x
    return x.to(torch.get_autocast_dtype(kind))
